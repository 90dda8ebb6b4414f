"""How do an operator's files get in? Handed in here, imported beside the requests; bad rows are shown and can be had.

One import at a time. What is going on is told on the import's own page, which comes again by itself until it is over.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.datastructures import UploadFile

from api.deps import Calling, Now
from api.middleware import UPLOAD_BODY
from api.pages.guarding import PageLanguage, SentForm, field_of, page
from api.pages.operator_desk import DeskNow
from api.pages.operator_importing import Job
from api.pages.operator_said import notice_of, said
from api.pages.operator_uploads import keep_uploads, read_report, safe_csv
from api.pages.rendering import render
from api.problems import Problem
from features.errors import WrongInput
from features.store.intake.files import ENDINGS
from features.store.tables import TABLES

router = APIRouter()

PREVIEWED: Final = 50
"""So many bad rows of a table are shown; the file has them all."""
MOST_FILES: Final = 20
JobId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
TableName = Annotated[str, Path(pattern=r"^[a-z_]{1,32}$")]


@router.get("/imports", **page("operator"))
def show_imports(request: Request, desk: DeskNow, caller: Calling, language: PageLanguage) -> Response:
    """The form, and what was imported here since the process began."""
    return _form_page(request, desk, caller, language)


@router.post("/imports", **page("operator"))
def take_files(
    request: Request, form: SentForm, desk: DeskNow, caller: Calling, language: PageLanguage
) -> Response:
    """Keep the files under names of ours, and import them; what cannot be an import file is told at once."""
    uploads = [one for one in form.getlist("files") if isinstance(one, UploadFile) and one.filename]
    if not uploads or len(uploads) > MOST_FILES:
        return said("/imports", "no_files")
    try:
        job = desk.imports.begin(
            lambda folder: keep_uploads(uploads, folder),
            by=caller.key_id,
            skip_bad=field_of(form, "skip_bad") == "1",
            dry_run=field_of(form, "dry_run") == "1",
        )
    except WrongInput as error:
        return _form_page(request, desk, caller, language, status=422, wrong=str(error))
    finally:
        for upload in uploads:
            upload.file.close()
    if job is None:
        return said("/imports", "one_at_a_time")
    return RedirectResponse(f"/imports/{job.id}", 303)


@router.get("/imports/{job_id}", **page("operator"))
def show_import(
    job_id: JobId, request: Request, desk: DeskNow, caller: Calling, language: PageLanguage, now: Now
) -> Response:
    """How far an import is; once it is over, what became of the rows of each table."""
    job = desk.imports.find(job_id)
    if job is None:
        raise Problem("not_found")
    is_over = job.state.is_over
    response = render(
        request,
        "operator_import.html",
        language=language,
        caller=caller,
        job=job,
        is_over=is_over,
        seconds=((job.ended_at or now) - job.begun_at).total_seconds(),
        tables=_tables(job) if is_over else [],
        previewed=PREVIEWED,
    )
    if not is_over:
        response.headers["Refresh"] = "2"
    return response


@router.get("/imports/{job_id}/rejects/{table}.csv", **page("operator"))
def download_report(job_id: JobId, table: TableName, desk: DeskNow) -> Response:
    """Every bad row of a table, as a file that a spreadsheet opens and runs nothing of."""
    job = desk.imports.find(job_id)
    report = None if job is None else job.report_of(table)
    if job is None or report is None:
        raise Problem("not_found")
    headers = {
        "Content-Disposition": f'attachment; filename="rejects-{table}.csv"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(
        safe_csv(read_report(report, job.uploads)), media_type="text/csv; charset=utf-8", headers=headers
    )


def _form_page(
    request: Request,
    desk: DeskNow,
    caller: Calling,
    language: PageLanguage,
    *,
    status: int = 200,
    wrong: str | None = None,
) -> Response:
    jobs = desk.imports.jobs
    return render(
        request,
        "operator_imports.html",
        status=status,
        language=language,
        caller=caller,
        notice=notice_of(request, language),
        wrong=wrong,
        jobs=jobs,
        running=next((job for job in jobs if not job.state.is_over), None),
        began_at=desk.began_at,
        tables=tuple(TABLES),
        endings=ENDINGS,
        most_files=MOST_FILES,
        most_mib=UPLOAD_BODY // 2**20,
    )


def _tables(job: Job) -> list[dict[str, Any]]:
    """Each table's counts, and the first of its bad rows."""
    if job.imported is None:
        return []
    tables = []
    for name, counts in job.imported.tables.items():
        report = job.report_of(name)
        preview = [] if report is None else list(read_report(report, job.uploads, PREVIEWED + 1))[1:]
        tables.append(
            {
                "table": name,
                "n_new": counts.n_new,
                "n_unchanged": counts.n_unchanged,
                "n_rejected": counts.n_rejected,
                "has_report": report is not None,
                "preview": preview,
            }
        )
    return tables
