"""make check-kafka: the control stream reads its requests from a real Kafka broker.

Starts one broker (KRaft) on this machine from the JARs that Spark's Ivy resolves, sends requests
with repeats and one message that is none, and compares the tables with what was sent.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyspark
from control_stream import Timed, add_budget, made
from pyspark.sql import SparkSession

from bcrlsp import session
from bcrlsp.control.stream.settings import KafkaSettings
from bcrlsp.periods import Settings as Period
from bcrlsp.tables import Lake
from bcrlsp.tables import Settings as LakeSettings

PACKAGES = (
    "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0",
    "org.apache.kafka:kafka_2.13:3.9.2",
)
PORT, CONTROLLER = 19092, 19093
PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/logs
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """A broker until the end of the block; its address."""
    bundled = Path(pyspark.__file__).parent / "jars"
    jars = [
        str(jar) for home in Path.home().glob(".ivy2*") for jar in (home / "jars").glob("*.jar")
    ]
    jars += [str(jar) for name in ("scala-library*", "slf4j-api*") for jar in bundled.glob(name)]
    java = ["java", "-Xmx512m", "-cp", ":".join(jars)]
    properties = folder / "server.properties"
    properties.write_text(PROPERTIES.format(port=PORT, controller=CONTROLLER, folder=folder))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "-t", "5L6g3nShT-eMCtK--X86sw", "-c",
         str(properties)], check=True, **quiet,
    )  # fmt: skip
    process = subprocess.Popen([*java, "kafka.Kafka", str(properties)], **quiet)
    try:
        time.sleep(12)
        if process.poll() is not None:
            sys.exit("the broker did not start")
        yield f"127.0.0.1:{PORT}"
    finally:
        process.terminate()
        process.wait()


def send(spark: SparkSession, servers: str, values: list[str]) -> None:
    """Messages to the topic requests."""
    rows = spark.createDataFrame([(value,) for value in values], "value string")
    writer = rows.write.format("kafka").option("kafka.bootstrap.servers", servers)
    writer.option("topic", "requests").save()


def main() -> None:
    """Runs it; ends with 1 where the tables are not what was sent."""
    spark = session.get_session(
        session.Settings(driver_memory="1g", shuffle_partitions=2, packages=PACKAGES)
    )
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as servers:
        lake = Lake(spark, LakeSettings(root=f"{name}/lake"))
        calendar = Period().calendar()
        period = calendar.index(datetime.now(UTC))
        tables = Timed(lake, calendar, "check", 0.01)
        tables.create()
        add_budget(lake, calendar.start(period))
        kafka = KafkaSettings(servers=servers, topic="requests")
        for turn in range(2):
            now = datetime.now(UTC).isoformat()
            values = [
                json.dumps(
                    {"request_id": f"{turn}-{i % 900}", "user_id": f"u{i}", "request_ts": now}
                )
                for i in range(1000)
            ]
            send(spark, servers, [*values, "no request"])
            # Stopped, made anew, and going on from its checkpoint.
            made(lake, calendar, tables, period, name, kafka).run(drain=True)
        decided = [row["request_id"] for row in lake.read("decisions").collect()]
        bad = lake.read("quarantine").count()
        print(f"decided {len(decided)} of 1800, {len(set(decided))} of them different; "
              f"in quarantine: {bad} of 1")  # fmt: skip
        if (len(decided), len(set(decided)), bad) != (1800, 1800, 1):
            sys.exit(1)


if __name__ == "__main__":
    main()
