"""Containers that talk: names on user networks, published ports, and no network at all."""

import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from kit.engine.containers.networks import ActiveEndpoints, NetworkExists, NoSuchNetwork
from kit.errors import Conflict, Denied, KitError

Room = Any
SERVE = "mkdir /www; hostname >/www/index.html; exec httpd -f -p 80 -h /www"


def server(room: Room, name: str, **how: Any) -> str:
    key: str = room.begin("sh", "-c", SERVE, name=name, Hostname=name, **how)
    end = time.monotonic() + 10
    while room.exec(key, "wget", "-qO-", "http://127.0.0.1/")[0] != 0:
        assert time.monotonic() < end, "the server does not answer itself"
        time.sleep(0.05)
    return key


def test_two_containers_both_have_port_80_and_find_each_other_by_name(room: Room) -> None:
    network = room.containers.networks.create({"Name": "net"})
    aliases = {"EndpointsConfig": {"net": {"Aliases": ["www"]}}}
    one = server(room, "one", host={"NetworkMode": "net"}, NetworkingConfig=aliases)
    server(room, "two", host={"NetworkMode": "net"})
    script = "for name in one www two; do wget -qO- http://$name/; done; wget -qO- http://" + one[:12]
    assert room.sh(script, host={"NetworkMode": "net"}).split() == ["one", "one", "two", "one"]
    members = room.containers.networks.inspect("net")["Containers"]
    assert {row["Name"] for row in members.values()} == {"one", "two"}
    with pytest.raises(ActiveEndpoints, match=f"network net id {network['Id']} has active endpoints"):
        room.containers.networks.remove("net")


def test_names_come_and_go_with_their_containers(room: Room) -> None:
    room.containers.networks.create({"Name": "net"})
    watcher = room.begin("sleep", "1000", host={"NetworkMode": "net"})
    other = room.begin("sleep", "1000", name="other", host={"NetworkMode": "net"})
    assert "other" in room.exec(watcher, "cat", "/etc/hosts")[1]
    room.containers.rename("other", "renamed")
    assert "renamed" in room.exec(watcher, "cat", "/etc/hosts")[1]
    room.containers.kill(other)
    assert "renamed" not in room.exec(watcher, "cat", "/etc/hosts")[1]


def test_a_network_may_be_joined_and_left_while_it_runs(room: Room) -> None:
    room.containers.networks.create({"Name": "net"})
    server(room, "web", host={"NetworkMode": "net"})
    key = room.begin("sleep", "1000")
    assert "web" not in room.exec(key, "cat", "/etc/hosts")[1]
    room.containers.connect("net", {"Container": key, "EndpointConfig": {"Aliases": ["me"]}})
    assert room.exec(key, "wget", "-qO-", "http://web/") == (0, "web\n")
    assert set(room.containers.inspect(key)["NetworkSettings"]["Networks"]) == {"bridge", "net"}
    with pytest.raises(Denied, match="already exists in network net"):
        room.containers.connect("net", {"Container": key})
    room.containers.disconnect("net", {"Container": key})
    assert "web" not in room.exec(key, "cat", "/etc/hosts")[1]
    with pytest.raises(KitError, match=f"container {key} is not connected to network net"):
        room.containers.disconnect("net", {"Container": key})


def test_the_default_bridge_gives_no_names_but_links_do(room: Room) -> None:
    web = server(room, "web", ExposedPorts={"80/tcp": {}})
    assert "web" not in room.sh("cat /etc/hosts")
    found = room.sh(
        "wget -qO- http://db/; echo $DB_PORT_80_TCP_PORT; echo $DB_NAME", name="app", host={"Links": ["web:db"]}
    )
    assert found.split() == ["web", "80", "/app/db"]
    room.containers.kill(web)
    with pytest.raises(Conflict, match="Cannot link to a non running container: /web AS /late/db"):
        room.begin("true", name="late", host={"Links": ["web:db"]})


def test_a_link_needs_the_default_network(room: Room) -> None:
    room.containers.networks.create({"Name": "net"})
    room.begin("sleep", "1000", name="far", host={"NetworkMode": "net"})
    with pytest.raises(Conflict, match="Cannot link to /far, as it does not belong to the default network"):
        room.begin("true", host={"Links": ["far:x"]})


def test_no_network_is_loopback_only(room: Room) -> None:
    web = server(room, "web")
    address = room.containers.inspect(web)["NetworkSettings"]["IPAddress"]
    assert room.sh(f"wget -qO- http://{address}/") == "web\n"
    assert room.run("sh", "-c", f"nc -w 2 {address} 80 </dev/null", host={"NetworkMode": "none"}).code != 0


def test_a_container_may_share_another_one_s_network(room: Room) -> None:
    web = server(room, "web")
    assert room.sh("wget -qO- http://127.0.0.1/", host={"NetworkMode": f"container:{web}"}) == "web\n"


def test_a_published_port_leads_to_the_container(room: Room) -> None:
    ports = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "0"}]}
    key = server(room, "web", host={"PortBindings": ports})
    number = room.containers.inspect(key)["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
    with urllib.request.urlopen(f"http://127.0.0.1:{number}/", timeout=10) as answer:
        assert answer.read() == b"web\n"
    taken = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": number}]}
    with pytest.raises(KitError, match=f"Bind for 127.0.0.1:{number} failed: port is already allocated"):
        room.begin("sleep", "1000", host={"PortBindings": taken})
    room.containers.kill(key)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{number}/", timeout=10)
    room.begin("sleep", "1000", host={"PortBindings": taken})


def test_hosts_and_resolvers_are_as_asked(room: Room) -> None:
    host = {"ExtraHosts": ["db:10.0.0.9"], "Dns": ["9.9.9.9"], "DnsSearch": ["example.test"]}
    output = room.sh("cat /etc/hosts /etc/resolv.conf /etc/hostname", host=host, Hostname="box")
    assert "10.0.0.9\tdb\n" in output and "nameserver 9.9.9.9\nsearch example.test\n" in output
    assert output.endswith("box\n")


def test_networks_are_refused_as_docker_refuses_them(room: Room) -> None:
    room.containers.networks.create({"Name": "net"})
    with pytest.raises(NetworkExists, match="network with name net already exists"):
        room.containers.networks.create({"Name": "net"})
    with pytest.raises(Denied, match="bridge is a pre-defined network and cannot be removed"):
        room.containers.networks.remove("bridge")
    key = room.create("true", host={"NetworkMode": "none-such"})
    with pytest.raises(NoSuchNetwork, match="network none-such not found"):
        room.containers.start(key)
