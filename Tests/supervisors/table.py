"""The table of the article "Supervisors": written, and compared."""
ROWS = {
    "start": "start",
    "ready": "readiness",
    "reload": "reload",
    "failing_reload": "reload that fails",
    "stop": "stop",
    "stuck_stop": "stop that hangs: the policy ends it",
    "kill": "stop that hangs, and a policy without end",
    "watchdog": "watchdog that hangs",
    "exit_status": "end with exit code 75",
}
BEGIN = "<!-- The tables: `make supervisors` writes them. -->"
END = "<!-- The end of the tables. -->"


class Table:
    def __init__(self, article, groups, results):
        self.article = article
        self.groups = groups
        self.results = results
        with open(article) as file:
            self.text = file.read()

    def write(self):
        before, rest = self.text.split(BEGIN)
        after = rest.split(END)[1]
        versions = dict.fromkeys(
            versioned(supervisor) for group in self.groups for supervisor in group if supervisor.version)
        tables = "\n\n".join(self.markdown(group) for group in self.groups)
        with open(self.article, "w") as file:
            file.write(f"{before}{BEGIN}\n\n{tables}\n\nVersions: {', '.join(versions)}.\n\n{END}{after}")

    def markdown(self, group):
        lines = ["| | " + " | ".join(supervisor.name for supervisor in group) + " |", "|---" * (len(group) + 1) + "|"]
        for row, label in ROWS.items():
            cells = [self.results[supervisor.name][row] for supervisor in group]
            lines.append(f"| {label} | " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def differences(self):
        """The cells that differ from the article's, and those of other versions. Skipped ones are left out."""
        written = self.text.split(BEGIN)[1].split(END)[0]
        tables = [
            [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
            for block in written.strip().split("\n\n") if block.startswith("|")]
        found, of_other_versions = [], []
        wanted = [[supervisor.name for supervisor in group] for group in self.groups]
        if [table[0][1:] for table in tables] != wanted:
            return [f"the article's columns are not {wanted}"], []
        for table, group in zip(tables, self.groups):
            if [line[0] for line in table[2:]] != list(ROWS.values()):
                return [f"the article's rows are not {list(ROWS.values())}"], []
            for line, row in zip(table[2:], ROWS):
                for supervisor, said in zip(group, line[1:]):
                    cell = self.results.get(supervisor.name, {}).get(row, said)
                    if not said or cell != said and not cell.startswith("skipped"):
                        is_same = supervisor.is_ours or versioned(supervisor) in written
                        (found if is_same else of_other_versions).append(
                            f"{versioned(supervisor)}, {ROWS[row]}: “{cell}”, but the article says “{said}”")
        return found, of_other_versions


def versioned(supervisor):
    return f"{supervisor.product or supervisor.name} {supervisor.version}"
