"""Notifications: channels, the routing tree, groups of alerts, and deliveries."""
