"""Does the log say what happened, one event a line, and nothing that opens a door?"""

import json
import logging
import subprocess
import sys

SCRIPT = """
import logging, structlog
from features.settings import Settings
from api.logs import set_up_logs

set_up_logs(Settings(log_json=True))
structlog.get_logger("matcher.http").info("request", request_id="r_1", status=200)
logging.getLogger("training").info("night_step", extra={"step": "facts", "listings": 7})
try:
    cookie = "fx_secret_cookie"
    raise RuntimeError("broken")
except RuntimeError as error:
    structlog.get_logger("matcher.http").error("internal", request_id="r_2", exc_info=error)
"""


def test_each_event_is_a_json_line_with_its_fields_and_no_variable_of_the_program() -> None:
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["request", "night_step", "internal"]
    assert (lines[0]["request_id"], lines[0]["status"], lines[1]["listings"]) == ("r_1", 200, 7)
    assert "RuntimeError" in ran.stderr
    assert "fx_secret_cookie" not in ran.stderr.replace('cookie = \\"fx_secret_cookie', "")
    assert ran.stdout == ""


def test_this_test_leaves_our_own_log_alone() -> None:
    assert logging.getLogger("matcher.http").handlers == []
