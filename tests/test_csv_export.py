"""Does a file open in a spreadsheet as it is meant, whatever an anchor calls itself? And is nothing in it run?"""

import csv
import io

import pytest

from api.pages.brand_file import COLUMNS
from api.pages.exporting import csv_file, safe_cell
from api.pages.words import WORDS
from brand_site import HOSTILE_NAME, anchors_on, browse
from live import Live


def read(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize(
    "title",
    [
        "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\u3000＝1", "\ufeff=1", "＋1", "－1", "＠x",
        '=HYPERLINK("http://evil")', "\0=1",
    ],
)  # fmt: skip
def test_what_a_spreadsheet_would_run_is_a_text(title: str) -> None:
    cell = read(csv_file("a.csv", ["h"], [[title]]).body)[1][0]
    assert cell == "'" + title.replace("\0", "")


@pytest.mark.parametrize("title", ["口红", "1=1", "a@b", "", "O'Neil", 'say "x", or; y', "two\nlines", "'=1"])
def test_any_other_text_comes_back_as_it_was(title: str) -> None:
    assert read(csv_file("a.csv", ["h"], [[title]]).body)[1][0] == title


def test_numbers_are_numbers_and_nothing_is_nothing() -> None:
    assert [safe_cell(cell) for cell in (-5, 1.5, 0, None)] == ["-5", "1.5", "0", ""]


def test_a_file_says_what_it_is_and_every_cell_is_quoted() -> None:
    answer = csv_file("shortlist-S1.csv", ["排名", "=evil"], [[1, "a"]])
    assert answer.body == '\ufeff"排名","\'=evil"\r\n"1","a"\r\n'.encode()
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="shortlist-S1.csv"'
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ['a".csv', "a\r\nb", "a/b", "名.csv"])
def test_a_name_that_cannot_stand_in_a_header_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="header"):
        csv_file(name, [], [])


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_file_holds_the_shortlist_under_its_filters_column_by_column(
    brands_site: Live, language: str
) -> None:
    address = f"/skus/{brands_site.sku_id}/shortlist"
    with browse(brands_site, "brand", language=language) as page:
        shown = anchors_on(page.get(f"{address}?objective=gmv").text)
        answer = page.get(f"{address}.csv?objective=gmv")
        some = read(page.get(f"{address}.csv?tier=tail").content)[1:]
    headings, *rows = read(answer.content)
    place = 0 if language == "zh" else 1
    assert headings == [WORDS[f"brand.csv.{name}"][place] for name in COLUMNS]
    column = {name: k for k, name in enumerate(COLUMNS)}
    assert [row[column["anchor_id"]] for row in rows][: len(shown)] == shown
    assert {row[column["tier"]] for row in some} == {WORDS["brand.tier.tail"][place]}
    assert all(row[column["rate"]] == "10" for row in rows)
    names = [row[column["anchor_name"]] for row in rows]
    assert f"'{HOSTILE_NAME}" in names
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)
    for row in rows:
        low, middle, high = (float(row[column[name]]) for name in ("gmv_low", "gmv", "gmv_high"))
        assert low <= middle <= high
