"""From the outbox to the sinks: one lane at a time, paced and retried."""
