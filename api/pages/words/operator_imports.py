"""What do an operator's pages of imports and personal data say? Key -> zh, en; `operator.py` puts their beginning before them."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "imports.lede": (
        "上传导入文件。全部正确才写入；有错误的行会列在报告里，可下载。",
        "Hand in import files. All of it is taken or nothing; bad rows are listed in a report that you can download.",
    ),
    "imports.wrong": ("文件未被接收：", "The files were not taken:"),
    "imports.running": ("正在导入；同一时间只能有一个。", "An import is at work; there is one at a time."),
    "imports.see": ("查看进度", "See how far it is"),
    "imports.upload": ("上传文件", "Hand in files"),
    "imports.files": ("文件", "Files"),
    "imports.files.hint": (
        "按数据表命名，如 skus.csv；格式 {endings}；一次最多 {files} 个，合计 {mib} MiB。更大的请用 matcher ingest。",
        (
            "Named after their tables, like skus.csv; {endings}; up to {files} at once, {mib} MiB together. "
            "Larger ones go through matcher ingest."
        ),
    ),
    "imports.skip_bad": ("跳过错误行，导入其余", "Skip bad rows, import the others"),
    "imports.dry_run": ("仅检查，不写入", "Only check, import nothing"),
    "imports.do": ("上传并导入", "Hand in and import"),
    "imports.tables": ("数据表名称", "Names of the tables"),
    "imports.history": ("导入记录", "Imports"),
    "imports.history.says": (
        "自 {at} 本进程启动以来的最近 30 次。",
        "The last 30 since this process began, {at}.",
    ),
    "imports.none": ("尚无导入。", "Nothing was imported here yet."),
    "imports.at": ("时间", "At"),
    "imports.state": ("结果", "Outcome"),
    "imports.new": ("新增（行）", "New rows"),
    "imports.unchanged": ("未变（行）", "Unchanged"),
    "imports.rejected": ("拒绝（行）", "Rejected"),
    "imports.state.waiting": ("等待中", "Waiting"),
    "imports.state.reading": ("导入中", "At work"),
    "imports.state.imported": ("已导入", "Imported"),
    "imports.state.checked": ("已检查", "Checked"),
    "imports.state.skipped": ("部分导入", "Good rows imported"),
    "imports.state.refused": ("有错误行", "Bad rows"),
    "imports.state.wrong": ("文件有误", "Wrong file"),
    "imports.state.busy": ("存储繁忙", "Store busy"),
    "imports.state.failed": ("失败", "Failed"),
    "import.title": ("导入 {at}", "Import of {at}"),
    "import.waiting": ("正在检查文件，或等待存储", "Looking the files over, or waiting for the store"),
    "import.reading": ("已读 {share}", "{share} read"),
    "import.writing": ("正在写入", "Writing"),
    "import.meanwhile": (
        "已用 {n} 秒。可以离开此页，导入会继续；此页自动更新。",
        "{n} seconds so far. You may leave: the import goes on. This page follows by itself.",
    ),
    "import.said.imported": ("全部导入完成。", "Everything was imported."),
    "import.said.checked": ("检查完毕，未写入任何数据。", "Checked; nothing was imported."),
    "import.said.skipped": (
        "正确的行已导入，错误的行列在下方报告中。",
        "The good rows were imported; the bad ones are in the reports below.",
    ),
    "import.said.refused": (
        "有错误的行，未写入任何数据。请更正后重新上传，或选择跳过错误行。",
        "Some rows are bad, and nothing was imported. Mend them and hand the file in again, or skip bad rows.",
    ),
    "import.said.refused.dry": (
        "检查完毕：有错误的行，照此导入将不写入任何数据。",
        "Checked: some rows are bad, so that an import would take nothing.",
    ),
    "import.said.wrong": (
        "文件无法按数据表读取，未写入任何数据：",
        "A file cannot be read as its table; nothing was imported:",
    ),
    "import.said.busy": (
        "存储正被另一项写入占用，未写入任何数据。请稍后重新上传。",
        "Another writer holds the store; nothing was imported. Hand the files in again in a little while.",
    ),
    "import.said.failed": (
        "导入失败，未写入任何数据。原因已记入日志。",
        "The import failed, and nothing was imported. The log says why.",
    ),
    "import.counts": ("各表结果", "What became of each table"),
    "import.would_be_new": ("将新增（行）", "Would be new"),
    "import.report": ("报告", "Report"),
    "import.report_gone": ("报告已移除", "report removed"),
    "import.download": ("下载 CSV", "Download CSV"),
    "import.rejects": ("{table} 的错误行", "Bad rows of {table}"),
    "import.rejects.says": ("显示 {shown} 行，共 {n} 行。", "{shown} of {n} rows."),
    "import.line": ("行号", "Line"),
    "import.cell": ("列与值", "Column and value"),
    "import.whole_row": ("整行", "the whole row"),
    "import.sentence": ("说明", "What is wrong"),
    "import.took": ("用时 {n} 秒。", "It took {n} seconds."),
    "import.another": ("再导入一次", "Import again"),
    "said.one_at_a_time": (
        "另一次导入正在进行，请等它结束后重新上传。",
        "Another import is at work; hand the files in again when it is over.",
    ),
    "said.no_files": ("请选择 1 至 20 个文件。", "Choose 1 to 20 files."),
    "privacy.lede": (
        "应主播本人要求，抹去其姓名、所在地与粉丝画像。编号、层级与成交事实保留。",
        "On request an anchor's name, home and audience are forgotten. Ids, tiers and what was sold stay.",
    ),
    "privacy.still_shown": (
        "正在更新快照；完成之前，页面上仍可能出现原来的姓名。",
        "A fresh snapshot is being taken; until it is there, pages may still show the name.",
    ),
    "privacy.left.nothing": (
        "数据库文件及其日志中的旧内容已覆盖。备份不在其内，请另行处理。",
        "The old content is overwritten in the database file and its log. Backups are not: see to them.",
    ),
    "privacy.left.log": (
        "旧内容已覆盖，但日志因有读取者暂未清空，将在下一次检查点完成。备份请另行处理。",
        (
            "The old content is overwritten; the log could not be emptied while somebody was reading, and is at the next "
            "checkpoint. Backups are not touched: see to them."
        ),
    ),
    "privacy.left.dead_rows": (
        (
            "数据已不可见。要从磁盘上清除，请在空闲时执行 VACUUM FULL anchors, audiences, hidden_goods, api_keys；"
            "备份与归档的 WAL 请另行处理。"
        ),
        (
            "Nobody sees the data any more. To clear it from the disk run VACUUM FULL anchors, audiences, hidden_goods, "
            "api_keys at a quiet hour; backups and archived WAL are not touched: see to them."
        ),
    ),
    "privacy.find": ("查找主播", "Find the anchor"),
    "privacy.look": ("查看", "Look"),
    "privacy.held": ("主播 {anchor} 的个人信息", "What is held of anchor {anchor}"),
    "privacy.names": ("姓名", "Names"),
    "privacy.versions": ("记录版本（个）", "Versions of its row"),
    "privacy.columns": ("其他个人栏目", "Other personal columns"),
    "privacy.audience": ("粉丝画像", "Audience"),
    "privacy.hidden": ("隐藏的好物", "What it hid"),
    "privacy.notes": ("密钥备注", "Notes on its keys"),
    "privacy.pages": ("查看该主播的页面", "See this anchor's pages"),
    "privacy.keys": ("查看其密钥", "See its keys"),
    "privacy.nothing_left": ("已无个人信息可抹去。", "Nothing personal is left."),
    "privacy.goes": ("将抹去", "What goes"),
    "privacy.goes.says": (
        (
            "每个版本中的姓名（改为“{name}”）、所在城市线级、入驻日期、全部粉丝画像、隐藏记录、密钥备注。"
            "以后的导入若再带来这些内容，会自动匿名。"
        ),
        (
            "The name in every version (it becomes “{name}”), home city tier and joining date, the whole audience, what was "
            "hidden, notes on keys. A later import that brings them back is made neutral on its way in."
        ),
    ),
    "privacy.stays": ("将保留", "What stays"),
    "privacy.stays.says": (
        "编号、层级、账号类型、不做的类目、自有品牌、场次、挂车、反馈与逐日指标。密钥不会因此吊销。",
        (
            "The id, tier, kind of account, denied categories, own brands, sessions, listings, feedback and daily figures. "
            "Keys are not revoked by this."
        ),
    ),
    "privacy.forget": ("抹去个人信息", "Forget this anchor"),
    "privacy.sure": ("此操作不可恢复。", "This cannot be undone."),
    "privacy.asked_by": ("依据", "On whose request"),
    "privacy.asked_by.hint": (
        "申请编号等；将永久保留，请勿写姓名。",
        "The number of the request, for example. It is kept for ever: put no name in it.",
    ),
    "privacy.typed": ("输入 {anchor} 以确认", "Type {anchor} to confirm"),
    "privacy.unknown": ("没有这位主播", "There is no such anchor"),
    "privacy.unknown.says": ("请核对编号。", "Check the id."),
    "privacy.record": ("抹去记录", "Who was forgotten"),
    "privacy.record.says": ("何时、依据什么、由哪个密钥执行。", "When, on what request, under which key."),
    "privacy.none": ("尚无记录。", "Nobody was forgotten yet."),
    "privacy.at": ("时间", "At"),
    "privacy.anchor": ("主播", "Anchor"),
    "privacy.by": ("执行密钥", "Key"),
    "privacy.rows": ("涉及", "Touched"),
    "privacy.rows.says": (
        "{versions} 个版本，{audience} 行画像",
        "versions: {versions}, audience rows: {audience}",
    ),
    "said.forgotten": ("主播 {anchor} 的个人信息已抹去。", "Anchor {anchor} is forgotten."),
    "said.not_typed": (
        "输入的编号不一致，未作任何改动。",
        "What was typed is not the anchor's id; nothing was changed.",
    ),
    "said.no_request": ("请用一行文字说明依据。", "Say on whose request, in one line."),
}
