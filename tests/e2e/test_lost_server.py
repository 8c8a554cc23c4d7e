"""The real server is killed while it speaks: the turn ends, and the next one finds the new one."""

from tests.e2e.lab.gateway import only
from tests.e2e.lab.mortal import mortal_server

POD = "What is a pod in Kubernetes?"
HISTORY = "What did I ask before?"
SLOW = "Count slowly. [[tokens=900 pause_ms=20]]"
plain = {"shield_ids": [], "no_tools": True}


@only("agents-0.3.5", "0.7.3", "ogx-1.5.0")
def test_a_killed_server_ends_its_turn_and_the_next_one_is_told_everything(gateway, tmp_path):
    with (
        mortal_server(gateway.lab, tmp_path) as server,
        gateway.with_settings(upstream_url=server.url) as before,
    ):
        first = before.ask(POD, **plain)
        with before.asking(SLOW, conversation_id=first.conversation_id, **plain) as stream:
            stream.until("token")
            server.kill()
            lost = stream.rest().check()
        refused = before.refused(POD, **plain)
        server.start()
        before.ask(HISTORY, conversation_id=first.conversation_id, **plain)

    assert (lost.last["event"], lost.last["code"]) == ("error", "upstream_reset")
    assert (refused["status"], refused["code"]) == (503, "upstream_unreachable")
    known = str(gateway.model.requests()[-1]["messages"])
    assert POD in known
    assert "smallest unit that Kubernetes schedules" in known
