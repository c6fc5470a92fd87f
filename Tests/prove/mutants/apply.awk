# awk -f apply.awk FAULT SOURCE: SOURCE with the fault in it. The lines of FAULT that begin with a blank or "-" are
# searched, as whole lines and in one piece. Those that begin with a blank or "+" replace them. Status 2 unless it is
# there once.
FNR == 1 { file++ }
file == 1 && /^[ -]/ { find = find substr($0, 2) "\n" }
file == 1 && /^[ +]/ { replacement = replacement substr($0, 2) "\n" }
file == 2 { source = source $0 "\n" }
END {
    source = "\n" source
    find = "\n" find
    at = index(source, find)
    if (length(find) < 2 || !at || index(substr(source, at + 1), find))
        exit 2
    printf "%s", substr(source, 2, at - 1) replacement substr(source, at + length(find))
}
