"""One pass of one app, and what surrounds it so that nothing is lost or said twice."""
