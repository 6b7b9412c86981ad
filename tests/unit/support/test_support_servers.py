"""The servers that other tests lean on keep what they promise."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import requests
import sqlalchemy as sa
from support.africastalking_server import (
    API_KEY,
    SEND_PATH,
    AfricasTalkingServer,
    DeliveryPlan,
    check_behaviour,
)
from support.postgres import PostgresServer, PostgresUnavailableError
from support.processes import alive, descendants, identify
from support.redis_server import RedisServer
from support.waiting import free_port, wait_until

NUMBER = "+6281290000001"


def send(
    stand_in: AfricasTalkingServer,
    number: str = NUMBER,
    *,
    key: str = API_KEY,
    wait: float = 5,
    **fields: str,
) -> requests.Response:
    form = {"username": "timpora", "to": number, "message": "Terima kasih", "bulkSMSMode": "1"}
    return requests.post(
        stand_in.url + SEND_PATH,
        data=form | fields,
        headers={"apiKey": key, "Accept": "application/json"},
        timeout=wait,
    )


def recipient(response: requests.Response) -> dict[str, str]:
    found: dict[str, str] = response.json()["SMSMessageData"]["Recipients"][0]
    return found


def test_postgresql_gives_each_test_a_database_and_keeps_it_over_a_crash():
    try:
        running = PostgresServer.start(fsync=False)
        with running as server:
            url = server.new_database()
            other = server.new_database()
            assert url != other
            engine = sa.create_engine(url)
            with engine.begin() as connection:
                connection.execute(sa.text("CREATE TABLE kept (n int)"))
                connection.execute(sa.text("INSERT INTO kept VALUES (7)"))
            engine.dispose()

            server.kill()
            with pytest.raises(sa.exc.OperationalError), engine.connect():
                pass
            server.launch()

            with engine.connect() as connection:
                assert connection.execute(sa.text("SELECT n FROM kept")).scalar_one() == 7
            engine.dispose()
            server.restart()
            with psycopg.connect(url.replace("+psycopg", "")) as connection:
                assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1,)
    except PostgresUnavailableError as reason:
        pytest.skip(str(reason))


def test_redis_forgets_all_when_wiped_and_tells_what_was_ever_in_it():
    with RedisServer.running() as server:
        with server.client() as client:
            client.set("number", "081290000001")
            client.delete("number")
            server.wipe()
            assert client.dbsize() == 0
        assert b"081290000001" in server.dump()

        server.kill()
        server.start()

        with server.client() as client:
            assert client.ping()
        assert b"081290000001" not in server.dump()


def test_servers_die_with_a_test_run_that_is_killed(tmp_path: Path):
    script = tmp_path / "run.py"
    script.write_text(
        "import time\n"
        "from support.redis_server import RedisServer\n"
        "server = RedisServer()\n"
        "server.start()\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    tests = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(tests), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(  # noqa: S603
        [sys.executable, script], env=environment, stdout=subprocess.PIPE
    ) as run:
        assert run.stdout
        assert run.stdout.readline() == b"up\n"
        children = descendants(run.pid)
        assert children

        run.send_signal(signal.SIGKILL)

    wait_until(lambda: not alive(children), within=5, what="Redis is gone")


def test_a_process_is_known_by_its_start_not_by_its_number_alone():
    me = identify(os.getpid())

    assert me
    assert alive([me]) == [me]
    assert alive([type(me)(me.pid, me.started + 1, me.command)]) == []


def test_a_message_taken_is_answered_as_africas_talking_answers():
    with AfricasTalkingServer.running() as stand_in:
        response = send(stand_in)

        assert response.status_code == 201
        assert response.headers["Content-Type"] == "application/json"
        assert response.json()["SMSMessageData"]["Message"] == "Sent to 1/1 Total Cost: KES 0.8000"
        taken = recipient(response)
        assert taken["statusCode"] == 101
        assert taken["messageId"].startswith("ATXid_")
        assert stand_in.sent_to(NUMBER)[0].text == "Terima kasih"
        assert stand_in.sent_to(NUMBER)[0].message_ids == {NUMBER: taken["messageId"]}


@pytest.mark.parametrize(
    ("behaviour", "code", "status"),
    [
        ("accept:100", 100, "Processed"),
        ("accept:102", 102, "Queued"),
        ("refuse:402", 402, "InvalidSenderId"),
        ("refuse:502", 502, "RejectedByGateway"),
    ],
)
def test_a_recipient_is_taken_or_refused_as_told(behaviour: str, code: int, status: str):
    with AfricasTalkingServer.running() as stand_in:
        stand_in.behave(behaviour, number=NUMBER)

        told = recipient(send(stand_in))
        other = recipient(send(stand_in, "+6281290000002"))

        assert (told["statusCode"], told["status"]) == (code, status)
        assert (told["messageId"] == "None") == (code > 400)
        assert other["statusCode"] == 101


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_an_http_error_is_plain_text(status: int):
    with AfricasTalkingServer.running() as stand_in:
        stand_in.behave(f"http:{status}")

        response = send(stand_in)

        assert response.status_code == status
        assert response.headers["Content-Type"] == "text/plain"


def test_what_the_real_one_refuses_is_refused():
    with AfricasTalkingServer.running() as stand_in:
        assert send(stand_in, key="wrong").text == "The supplied authentication is invalid"
        assert send(stand_in, message="").status_code == 400
        assert recipient(send(stand_in, "081290000001"))["statusCode"] == 403
        assert requests.post(stand_in.url + "/elsewhere", timeout=5).status_code == 404


def test_no_recipients_and_another_content_type_can_be_had():
    with AfricasTalkingServer.running() as stand_in:
        stand_in.behave("empty:InvalidSenderId")
        assert send(stand_in).json() == {
            "SMSMessageData": {"Message": "InvalidSenderId", "Recipients": []}
        }

        stand_in.behave("charset")
        assert send(stand_in).headers["Content-Type"] == "application/json; charset=utf-8"


def test_an_answer_can_stay_out_drip_or_break_off():
    with AfricasTalkingServer.running() as stand_in:
        for behaviour in ("silent", "drip-headers"):
            stand_in.behave(behaviour)
            with pytest.raises(requests.exceptions.Timeout):
                send(stand_in, wait=0.5)

        stand_in.behave("drip")
        with pytest.raises(requests.exceptions.ConnectionError):
            send(stand_in, wait=0.5)

        stand_in.behave("close")
        with pytest.raises(requests.exceptions.ConnectionError):
            send(stand_in)

        assert len(stand_in.requests) == 4
        wait_until(
            lambda: all(one.ended_after for one in stand_in.requests),
            within=10,
            what="the stand-in sees that the client has gone",
        )


@pytest.mark.parametrize("overtakes", [False, True], ids=["after the answer", "before it"])
def test_a_delivery_report_follows_by_itself(overtakes):
    with AfricasTalkingServer.running() as gateway, AfricasTalkingServer.running() as stand_in:
        # Any server that keeps forms will do for the gateway; it need not like the form.
        stand_in.delivery = DeliveryPlan(gateway.url + SEND_PATH, overtakes=overtakes)

        message_id = recipient(send(stand_in))["messageId"]

        report = wait_until(lambda: gateway.requests, within=5, what="a report comes")[0].fields
        assert report == {
            "id": message_id,
            "status": "Success",
            "phoneNumber": NUMBER,
            "networkCode": "51010",
            "retryCount": "0",
        }


def test_a_behaviour_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="unknown behaviour 'explode'"):
        check_behaviour("explode")


def test_the_stand_in_runs_on_its_own_and_prints_a_line_per_request():
    script = Path(__file__).parents[2] / "support" / "africastalking_server.py"
    port = free_port()
    with subprocess.Popen(  # noqa: S603
        [sys.executable, script, "--port", str(port)], stdout=subprocess.PIPE, text=True
    ) as server:
        url = f"http://127.0.0.1:{port}"

        def up() -> bool:
            try:
                return requests.get(f"{url}/_requests", timeout=1).json() == []
            except requests.ConnectionError:
                return False

        wait_until(up, within=10, what="the stand-in answers")
        changed = requests.post(f"{url}/_behaviour", data={"behaviour": "http:503"}, timeout=5)
        assert changed.status_code == 200
        form = {"username": "u", "to": NUMBER, "message": "m"}
        began = time.time()
        answer = requests.post(url + SEND_PATH, data=form, headers={"apiKey": API_KEY}, timeout=5)
        assert answer.status_code == 503
        assert server.stdout
        assert f'"to": "{NUMBER}"' in server.stdout.readline()
        server.send_signal(signal.SIGINT)
        assert server.wait(10) == 0
        assert time.time() - began < 10
