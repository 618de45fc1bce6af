"""The verb that prints a shell's completion script, written from the command line itself."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Annotated, Literal

import typer

from taskd.cli.app import app
from taskd.cli.render import put
from taskd.cli.syntax import Flag, Syntax, Value, syntaxes


@app.command(
    epilog="Example: taskd completion bash > ~/.local/share/bash-completion/completions/taskd"
)
def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL")],
) -> None:
    """Print the script that completes verbs, flags, jobs and runs.

    SHELL is bash, zsh or fish. Jobs and runs are those of the daemon that answers; without one
    there are none.
    \f
    It goes, for bash, to `~/.local/share/bash-completion/completions/taskd`; for zsh, as `_taskd`,
    to a directory of `$fpath`; for fish to `~/.config/fish/completions/taskd.fish`.
    """
    put(script(shell))


def script(shell: str) -> str:
    """The completion script of a shell."""
    lines = {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]
    return "\n".join(lines(list(syntaxes())))


# -- bash ----------------------------------------------------------------------------------------


def _bash(verbs: list[Syntax]) -> Iterator[str]:
    yield from _BASH_HEAD.splitlines()
    yield f"    local verbs={shlex.quote(' '.join(verb.name for verb in verbs))}"
    yield "    local flags='' words='' live='' files=''"
    yield "    case $verb in"
    for verb in verbs:
        names = " ".join(name for flag in verb.flags for name in flag.names)
        yield f"    {verb.name})"
        yield f"        flags={shlex.quote(names)}"
        yield from _bash_values(verb)
        yield "        ;;"
    yield "    esac"
    yield from _BASH_TAIL.splitlines()


def _bash_values(verb: Syntax) -> Iterator[str]:
    """What may come next: the value of the flag before or, where there is none, an argument."""
    yield "        case $before in"
    for flag in verb.flags:
        if flag.value is not None:
            yield f"        {'|'.join(flag.names)}) flags='' {_bash_value(flag.value)};;"
    first = next(filter(None, map(_bash_value, verb.arguments)), "")
    if first:  # those behind it are of the same kind, or nothing is known of them
        yield f"        *) {first};;"
    yield "        esac"


def _bash_value(value: Value) -> str:
    told = {
        "words": " ".join(value.words),
        "live": " ".join(value.live),
        "files": "1" if value.is_file else "",
    }
    return " ".join(f"{name}={shlex.quote(text)}" for name, text in told.items() if text)


_BASH_HEAD = """\
# bash completion for taskd, written by: taskd completion bash

_taskd() {
    local now=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]}
    local IFS=$' \\t\\n'
"""
_BASH_TAIL = """\
    if ((COMP_CWORD == 1)); then
        words="$verbs --help --version"
    elif [[ $now == -* ]]; then
        words=$flags live='' files=''
    elif [[ -n $live ]]; then
        words+=" $("${COMP_WORDS[0]}" __complete "$verb" $live 2>/dev/null | cut -f 1)"
    fi
    COMPREPLY=($(compgen -W "$words" -- "$now"))
    if [[ -n $files ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$now")
    fi
}

complete -F _taskd taskd"""


# -- zsh -----------------------------------------------------------------------------------------


def _zsh(verbs: list[Syntax]) -> Iterator[str]:
    yield from _ZSH_HEAD.splitlines()
    for verb in verbs:
        yield f"        {shlex.quote(f'{verb.name}:{verb.summary}')}"
    yield from _ZSH_MIDDLE.splitlines()
    for verb in verbs:
        specs = [spec for flag in verb.flags for spec in _zsh_flag(flag)]
        specs += [
            f"{'*' if verb.many and number == len(verb.arguments) else number}:{_zsh_value(value)}"
            for number, value in enumerate(verb.arguments, start=1)
        ]
        yield f"        {verb.name})"
        yield "            _arguments -s \\"
        yield " \\\n".join(f"                {shlex.quote(spec)}" for spec in specs)
        yield "            ;;"
    yield from _ZSH_TAIL.splitlines()


def _zsh_flag(flag: Flag) -> Iterator[str]:
    for name in flag.names:
        others = "*" if flag.repeats else f"({' '.join(flag.names)})"
        value = f":{_zsh_value(flag.value)}" if flag.value else ""
        yield f"{others}{name}[{_zsh_text(flag.help)}]{value}"


def _zsh_value(value: Value) -> str:
    action = " "
    if value.words:
        action = f"({' '.join(value.words)})"
    elif value.live:
        action = f" _taskd_live {' '.join(value.live)}"
    elif value.is_file:
        action = "_files"
    return f"{_zsh_text(value.metavar)}:{action}"


def _zsh_text(text: str) -> str:
    """The text with what ends a part of a specification of _arguments made plain."""
    for character in "\\[]:":
        text = text.replace(character, f"\\{character}")
    return text


_ZSH_HEAD = """\
#compdef taskd
# zsh completion for taskd, written by: taskd completion zsh

_taskd_live() {
    local -a found
    local line tab=$'\\t'
    for line in ${(f)"$($taskd_command __complete $taskd_verb "$@" 2>/dev/null)"}; do
        found+=("${line%%$tab*}:${line#*$tab}")
    done
    _describe -V 'name' found
}

_taskd() {
    local taskd_command=$words[1] taskd_verb=$words[2]
    local -a verbs
    verbs=("""
_ZSH_MIDDLE = """\
    )
    if ((CURRENT == 2)); then
        _describe -V 'verb' verbs
        return
    fi
    shift words
    ((CURRENT--))
    case $taskd_verb in"""
_ZSH_TAIL = """\
    esac
}

if [[ $funcstack[1] == _taskd ]]; then
    _taskd "$@"
else
    compdef _taskd taskd
fi"""


# -- fish ----------------------------------------------------------------------------------------


def _fish(verbs: list[Syntax]) -> Iterator[str]:
    yield from _FISH_HEAD.splitlines()
    for verb in verbs:
        about = shlex.quote(verb.summary)
        yield f"complete -c taskd -n __fish_use_subcommand -a {verb.name} -d {about}"
    for verb in verbs:
        seen = f"complete -c taskd -n '__taskd_verb {verb.name}'"
        for flag in verb.flags:
            yield f"{seen} {_fish_flag(verb, flag)}"
        for action in dict.fromkeys(_fish_value(verb, value) for value in verb.arguments):
            if action:
                yield f"{seen} {action}"


def _fish_flag(verb: Syntax, flag: Flag) -> str:
    names = " ".join(
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names
    )
    value = "" if flag.value is None else f" -x {_fish_value(verb, flag.value)}".rstrip()
    if flag.value is not None and flag.value.is_file:
        value = " -r -F"
    return f"{names} -d {shlex.quote(flag.help)}{value}"


def _fish_value(verb: Syntax, value: Value) -> str:
    if value.words:
        return f"-a {shlex.quote(' '.join(value.words))}"
    if value.live:
        return f"-a '(__taskd_live {verb.name} {' '.join(value.live)})'"
    return "-F" if value.is_file else ""


_FISH_HEAD = """\
# fish completion for taskd, written by: taskd completion fish

function __taskd_verb
    set -l words (commandline -opc)
    test "$words[2]" = "$argv[1]"
end

function __taskd_live
    set -l words (commandline -opc)
    $words[1] __complete $argv 2>/dev/null
end

complete -c taskd -f"""
