"""The kinds of broker that `consumer/kafka/brokers.py` chooses from."""
