"""The HTTP server of the library. It imports only names that packages of the library export."""
