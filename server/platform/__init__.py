"""What every domain leans on: errors, tokens, bodies, threads, telemetry. Names no domain."""
