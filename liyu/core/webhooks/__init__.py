"""Webhooks to hosts and partners: who wants to hear of what, and every message that was sent or waits to be."""
