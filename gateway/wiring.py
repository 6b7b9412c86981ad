"""Where real things are plugged together: once in each process, whatever its entry point."""

from dataclasses import dataclass

from gateway import logs
from gateway.audit import Audit
from gateway.clock import Timetable
from gateway.dialogue.switchboard import Switchboard
from gateway.dialogue.tree import OFFICERS
from gateway.evidence import Safe
from gateway.identity import Directory, WrongKey
from gateway.keys import derived_key
from gateway.messaging.channels import Channels
from gateway.messaging.queues import Doorbell
from gateway.officers import institutions
from gateway.officers.pins import Pins
from gateway.providers.registry import providers
from gateway.replies import catalogue
from gateway.replies.catalogue import Catalogue, Named, ReplyError
from gateway.reporting.desk import Desk
from gateway.reporting.hands import Hands
from gateway.reporting.voice import Voice
from gateway.roster import demo
from gateway.roster.demo import DemoPeopleError
from gateway.settings import Settings, SettingsError
from models.database.engine import NOT_MIGRATED, UNAVAILABLE, Database
from parsers import loading
from parsers.datafiles import DataError
from parsers.language import Language

_log = logs.logger()


@dataclass(frozen=True, slots=True)
class Wiring:
    """Everything that an entry point may need."""

    settings: Settings
    database: Database
    directory: Directory
    audit: Audit
    channels: Channels
    doorbell: Doorbell
    heard: Timetable
    """When each channel was last noted to be alive."""
    safe: Safe
    texts: Catalogue
    """In the language of the people who get them."""
    desk: Desk
    switchboard: Switchboard


def wire(settings: Settings) -> Wiring:
    """Build everything from the settings; opens nothing, but loads and checks the agency's data."""
    channels = Channels(providers(settings), settings.channel, settings.rules)
    words = loading.load(settings.agency_dir)
    texts = catalogue.load(settings.agency_dir, _named_replies(words))
    directory, audit = Directory(settings.secret_key), Audit(settings.secret_key)
    switchboard = Switchboard(
        tree=OFFICERS,
        texts=texts["id"],
        language=words,
        institutions=institutions.load(settings.agency_dir, words.forms),
        pins=Pins(settings.secret_key, settings.pin_rules),
        audit=audit,
        directory=directory,
        channels=channels,
        timezone=settings.timezone,
        resume_within=settings.ussd_resume,
    )
    return Wiring(
        settings=settings,
        database=Database(settings.database_url),
        directory=directory,
        audit=audit,
        switchboard=switchboard,
        channels=channels,
        doorbell=Doorbell(settings.redis_url),
        heard=Timetable(),
        safe=Safe(settings.encryption_keys),
        texts=texts["id"],
        desk=Desk(
            language=words,
            voice=Voice(words, texts["id"]),
            channels=channels,
            timezone=settings.timezone,
            piece_wait=settings.piece_wait,
            part_wait=settings.part_wait,
            capped_replies_an_hour=settings.capped_replies_an_hour,
            number_key=derived_key(settings.secret_key, "confirmation numbers"),
            switchboard=switchboard,
            hands=Hands(settings.hands_dir),
        ),
    )


def _named_replies(words: Language) -> dict[str, Named]:
    named = {}
    for form in words.forms.values():
        for role in ("ok", "incomplete", "help"):
            named[getattr(form.replies, role)] = Named(form.code, role)
        for field in form.fields:
            if field.ask is not None:
                named[field.ask] = Named(form.code, f"ask of {field.name}")
    return named


#: What stops a start, each with a text that names the thing, the place and the mend.
START_ERRORS = (SettingsError, DataError, ReplyError, WrongKey, DemoPeopleError)


def refuse_wrong_start(office: Wiring) -> None:
    """Raise what makes this process unfit: another database's key, or demo people near real ones.

    A database that is away, or not migrated yet, is no reason: it may come, and until then webhooks
    answer `send it again`.
    """
    try:
        with office.database.reading() as session:
            office.directory.verify_key(session)
            demo.refuse_outside_world(session, office.settings)
    except (*UNAVAILABLE, *NOT_MIGRATED) as error:
        _log.warning("start_not_checked", error=type(error).__name__)
