"""The demo: a server with a day of samples of a simulated fleet, which continue live, and with
metrics of this machine."""
