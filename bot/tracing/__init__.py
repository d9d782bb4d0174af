"""Spans of passes and deliveries, by OTLP. The only room that knows OpenTelemetry, and only when traces are wanted."""
