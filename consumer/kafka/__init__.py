"""Kafka: the task, its transactions, the changelog, the watermark, and brokers for demo and tests."""

from consumer.kafka import compat

# Before any client of ours is made, whichever module makes it.
compat.make_no_topics()
compat.tell_closed_connections()
compat.wait_longer_for_joins()
compat.name_the_unreadable()
compat.pass_empty_markers()
compat.look_up_without_brokers()
