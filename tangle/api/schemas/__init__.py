"""The JSON records of the API, shared by the server and the client."""
