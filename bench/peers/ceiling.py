"""The estimator alone, without a server: decodes and predicts in a loop, in batches.

    BENCH_MODEL=<folder> python -m bench.peers.ceiling --batch 32 --seconds 3

Prints one JSON object as ``bench.load`` does. A batch is as long as its clients would wait.
"""

import argparse
import json
import time

from bench.peers.classifier import Classifier, model_folder


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    classifier = Classifier.load()
    images, labels = zip(*json.loads((model_folder() / "images.json").read_text()), strict=True)
    latencies: list[float] = []
    wrong = place = 0
    classifier.predict(list(images[: options.batch]))
    cpu, started = time.process_time(), time.perf_counter()
    while (before := time.perf_counter()) < started + options.seconds:
        chosen = [(place + i) % len(images) for i in range(options.batch)]
        place += options.batch
        found = classifier.predict([images[i] for i in chosen])
        latencies.append(time.perf_counter() - before)
        wrong += sum(label != labels[i] for label, i in zip(found, chosen, strict=True))
    seconds = time.perf_counter() - started
    latencies.sort()
    result = {
        "seconds": seconds,
        "right": place - wrong,
        "wrong": wrong,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
        "server_cpu_seconds": time.process_time() - cpu,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
