"""Kafka: the task, its transactions, the changelog, the watermark, and brokers for demo and tests."""
