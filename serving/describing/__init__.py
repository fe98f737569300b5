"""What the routes say of themselves: an OpenAPI document, and the page made of it."""
