"""Kafka: the task, its transactions, the changelog, the watermark, and brokers for demo and tests."""

from consumer.kafka.patches import patch

# Before any client of ours is made, whichever module makes it.
patch()
