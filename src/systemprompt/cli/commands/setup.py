"""Commands that begin an installation, look at it and keep it in order."""

from __future__ import annotations

from systemprompt.cli.settings import CommandResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.cli.settings import CliSettings
    from systemprompt.operations.backup import DbBackup, DbBackupParams
    from systemprompt.operations.database import DbMigrated, DbMigrateParams, DbStatus, DbStatusParams
    from systemprompt.operations.doctor import Diagnosis, DoctorParams
    from systemprompt.operations.init_profile import Initialised, InitParams
    from systemprompt.operations.new_job import NewJob, NewJobParams
    from systemprompt.operations.profile import ProfileCheck, ProfileCheckParams, ProfileShown, ProfileShowParams
    from systemprompt.operations.restore import DbRestore, DbRestoreParams

__all__ = [
    "db_backup",
    "db_migrate",
    "db_restore",
    "db_status",
    "doctor",
    "init",
    "new_job",
    "profile_check",
    "profile_show",
]


def init(settings: CliSettings, params: InitParams) -> CommandResult[Initialised]:
    from systemprompt.operations.init_profile import init_profile

    return CommandResult(init_profile(params, cwd=settings.cwd), "text", "Profile Created")


def new_job(settings: CliSettings, params: NewJobParams) -> CommandResult[NewJob]:
    from systemprompt.errors import ProfileNotFound
    from systemprompt.operations.new_job import new_job

    profile = None
    try:
        profile = settings.load_profile()
    except ProfileNotFound:
        if params.dir is None or settings.profile is not None:
            raise
    return CommandResult(new_job(profile, params, cwd=settings.cwd, environ=settings.environ), "text", "Job Created")


def profile_check(settings: CliSettings, params: ProfileCheckParams) -> CommandResult[ProfileCheck]:  # noqa: ARG001  # every command takes both
    from systemprompt.operations.profile import check_profile

    return CommandResult(check_profile(settings.load_profile()), "text", "Profile Check")


def profile_show(settings: CliSettings, params: ProfileShowParams) -> CommandResult[ProfileShown]:  # noqa: ARG001  # every command takes both
    from systemprompt.operations.profile import show_profile

    data = show_profile(settings.load_profile())
    return CommandResult(data, "presentation_card", f"Profile: {data.name}")


def db_migrate(settings: CliSettings, params: DbMigrateParams) -> CommandResult[DbMigrated]:  # noqa: ARG001  # every command takes both
    from systemprompt.operations.database import db_migrate

    return CommandResult(db_migrate(settings.load_profile()), "text", "Database Migration")


def db_status(settings: CliSettings, params: DbStatusParams) -> CommandResult[DbStatus]:  # noqa: ARG001  # every command takes both
    from systemprompt.operations.database import db_status

    return CommandResult(db_status(settings.load_profile()), "table", "Database Status")


def db_backup(settings: CliSettings, params: DbBackupParams) -> CommandResult[DbBackup]:
    from systemprompt.operations.backup import db_backup

    data = db_backup(settings.load_profile(), params, cwd=settings.cwd, clock=settings.the_clock())
    return CommandResult(data, "text", "Database Backup", exit_code=0 if data.clean else 1)


def db_restore(settings: CliSettings, params: DbRestoreParams) -> CommandResult[DbRestore]:
    from systemprompt.operations.restore import db_restore

    profile = settings.load_profile()
    data = db_restore(profile, params, cwd=settings.cwd, environ=settings.environ, clock=settings.the_clock())
    return CommandResult(data, "text", "Database Restore")


def doctor(settings: CliSettings, params: DoctorParams) -> CommandResult[Diagnosis]:  # noqa: ARG001  # every command takes both
    from systemprompt.operations.doctor import doctor

    data = doctor(settings.profile_path, environ=settings.environ, clock=settings.the_clock())
    return CommandResult(data, "table", "Doctor", exit_code=0 if data.healthy else 1)
