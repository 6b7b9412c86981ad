"""Whether the revisions that a web process reads by itself are those that Alembic migrates to."""

from alembic.script import ScriptDirectory

from models import revisions, schema


def test_they_are_those_of_the_migrations():
    script = ScriptDirectory.from_config(schema._config())  # noqa: SLF001
    known = [one.revision for one in script.walk_revisions()]

    assert revisions.newest() == script.get_current_head()
    assert len(known) > 5
    assert not [one for one in known if revisions.is_newer(one)]
    assert revisions.is_newer("0123456789ab")
    assert not revisions.is_newer(None)
