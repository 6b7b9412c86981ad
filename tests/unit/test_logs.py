"""What a log line tells of must not depend on whether it could be written."""

import subprocess
import sys
from pathlib import Path

TELLS = """
from gateway import logs
logs.set_up()
logs.logger().error("message_not_kept")
logs.logger().info("send_ended")
print("went on")
"""


def test_a_line_that_cannot_be_written_stops_nothing():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-c", TELLS], stdout=subprocess.PIPE, stderr=full, check=False
        )

    assert done.stdout == b"went on\n"
