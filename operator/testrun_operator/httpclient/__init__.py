"""HTTP as cases and their helpers speak it: connections, TLS, and exchanges that are bounded in time and size."""
