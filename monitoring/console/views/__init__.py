"""What each page says, gathered and put into words before it is drawn: no request, no template."""
