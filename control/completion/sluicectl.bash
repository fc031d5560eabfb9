# SPDX-License-Identifier: Apache-2.0
# Completion of sluicectl for bash: the words come from the server's own table of commands.
_sluicectl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words=() i
    case $previous in
        -s | --socket) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
        -i | --interval) return ;;
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '--socket --json --once --interval --version --help' -- "$current")
        return
    fi
    local socket=()
    for ((i = 1; i <= COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -s | --socket) socket=(--socket "${COMP_WORDS[i + 1]}"); ((i++)) ;;
            -*) ;;
            *) words+=("${COMP_WORDS[i]}") ;;
        esac
    done
    mapfile -t COMPREPLY < <(sluicectl "${socket[@]}" --complete -- "${words[@]}" 2>/dev/null | sort -u)
    if [[ ${#words[@]} -le 1 && top == "$current"* ]]; then
        COMPREPLY+=(top)
    fi
}
complete -F _sluicectl sluicectl
