from logs.setup import described
from settings import Settings


def test_the_settings_are_told_without_secrets() -> None:
    read = Settings(
        log_format="text",
        database_url="postgresql://ann:hunter2@db/x",
        webhook_url="https://hooks.example.com/T0/B1/xyz",
        workers=3,
    )
    told = described(read)
    assert told["PUPILA_DATABASE_URL"] == "postgresql://ann:***@db/x"
    assert told["PUPILA_WEBHOOK_URL"] == "https://hooks.example.com/***"
    assert told["PUPILA_WORKERS"] == 3
    assert "PUPILA_QUEUE_SIZE" not in told


def test_a_program_is_told_all_settings() -> None:
    assert described(Settings(log_format="json"))["PUPILA_QUEUE_SIZE"] == 4096
