"""What viewers, operators, authors and administrators are offered, and that the rest is refused."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from tests.integration.admin.conftest import Story, logged_in
from workflows.engine import roles
from workflows.models import NodePool

# Address, and the first role to which it is offered.
_OFFERED = (
    ("admin:workflows_dag_run", "dag", 1),
    ("admin:workflows_dag_pause", "dag", 1),
    ("admin:workflows_dag_backfill", "dag", 1),
    ("admin:workflows_dagrun_cancel", "run", 1),
    ("admin:workflows_dagrun_pause", "run", 1),
    ("admin:workflows_dag_new_version", "dag", 2),
    ("admin:workflows_dag_delete_softly", "dag", 2),
)
_NAMES = tuple(roles.ROLES)


@pytest.fixture
def people(db: None) -> dict[str, Client]:
    """A browser for a member of each group."""
    roles.make()
    found = {}
    for name in _NAMES:
        user = User.objects.create_user(name.replace(" ", "-"), is_staff=True)
        user.groups.add(Group.objects.get(name=name))
        found[name] = logged_in(user)
    return found


def pages_of(client: Client, story: Story) -> str:
    places = (("dag", story.run.dag_id), ("dagrun", story.run.pk), ("taskexecution", story.clean.pk))
    pages = [reverse(f"admin:workflows_{model}_change", args=[pk]) for model, pk in places]
    pages += [reverse(f"admin:workflows_{model}_changelist") for model in ("dag", "dagrun", "nodepool", "dagtemplate")]
    answers = [client.get(page) for page in (*pages, reverse("admin:index"))]
    assert {answer.status_code for answer in answers} == {200}
    return "".join(answer.content.decode() for answer in answers)


@pytest.mark.parametrize("rank", range(len(_NAMES)))
def test_each_role_is_offered_what_it_may_do(rank: int, people: dict[str, Client], story: Story) -> None:
    text = pages_of(people[_NAMES[rank]], story)
    offered = set(re.findall(r'(?:href|action|formaction)="([^"?#]+)', text))
    keys = {"dag": story.run.dag_id, "run": story.run.pk}
    for name, of, least in _OFFERED:
        assert (reverse(name, args=[keys[of]]) in offered) == (rank >= least), name
    assert (reverse("admin:workflows_dag_add") in offered) == (rank >= 2)
    assert (reverse("admin:workflows_dagtemplate_add") in offered) == (rank >= 2)
    assert (reverse("admin:workflows_nodepool_add") in offered) == (rank >= 3)
    assert (f"{reverse('admin:workflows_dagrun_mark_failed', args=[story.run.pk])}" in offered) == (rank >= 1)


@pytest.mark.parametrize("rank", range(len(_NAMES)))
def test_what_is_not_offered_is_refused(rank: int, people: dict[str, Client], story: Story) -> None:
    client = people[_NAMES[rank]]
    keys = {"dag": story.run.dag_id, "run": story.run.pk}
    for name, of, least in _OFFERED:
        if rank < least:
            assert client.post(reverse(name, args=[keys[of]])).status_code == 403, name
    if rank < 3:
        assert client.get(reverse("admin:workflows_nodepool_add")).status_code == 403


def test_operators_change_the_slots_of_a_pool(people: dict[str, Client]) -> None:
    pool = NodePool.objects.get()
    address = reverse("admin:workflows_nodepool_change", args=[pool.pk])
    assert 'name="slots"' not in people[_NAMES[0]].get(address).content.decode()
    assert 'name="slots"' in people[_NAMES[1]].get(address).content.decode()


def test_groups_that_were_changed_stay_until_they_are_reset(db: None) -> None:
    roles.make()
    group = Group.objects.get(name=_NAMES[1])
    full = group.permissions.count()
    group.permissions.clear()
    roles.make()
    assert group.permissions.count() == 0
    told = StringIO()
    call_command("role_create", "--reset", stdout=told)
    assert group.permissions.count() == full
    assert "Celeriac operators has its permissions again" in told.getvalue()
