"""Flights: will this flight arrive late, from what is known when it should depart."""
