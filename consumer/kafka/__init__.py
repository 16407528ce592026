"""Kafka: the task, its transactions, the changelog, the watermark, and brokers for demo and tests."""

from consumer.kafka.compat import look_up_without_brokers, make_no_topics, tell_closed_connections

# Before any client of ours is made, whichever module makes it.
make_no_topics()
tell_closed_connections()
look_up_without_brokers()
