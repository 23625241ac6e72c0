#!/bin/sh
# Prints the path of a Python that can make the project's environment. Where there is none, says on stderr what
# was found and what to install, and fails. `make PYTHON=/path/to/python` names one instead of searching.

wrong=""
bare=""
# The version that is tested most comes first.
for name in ${PYTHON:-python3.11 python3.12 python3.10 python3}; do
    # A pyenv shim is found and still fails to run: only what answers counts.
    version=$("$name" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
    path=$("$name" -c 'import sys; print(sys.executable)')
    case $version in
        3.10.* | 3.11.* | 3.12.*) ;;
        *)
            wrong="$wrong $path ($version)"
            continue
            ;;
    esac
    if ! "$name" -c 'import venv, ensurepip' 2>/dev/null; then
        bare="${bare:-$path ${version%.*}}"
        continue
    fi
    echo "$path"
    exit 0
done

if [ -n "$bare" ]; then
    echo "${bare% *} is a Python ${bare##* }, but it cannot make environments: its venv module is missing." >&2
    echo "On Debian and Ubuntu: sudo apt-get install python${bare##* }-venv     Then run make again." >&2
else
    echo "Python 3.10, 3.11 or 3.12 is needed; found:${wrong:- none}." >&2
    echo "Debian, Ubuntu: sudo apt-get install python3.11 python3.11-venv (or 3.10, 3.12)" >&2
    echo "Fedora: sudo dnf install python3.11     anywhere: pyenv install 3.11, or uv python install 3.11" >&2
    echo "Or name one: make PYTHON=/path/to/python3.11" >&2
fi
exit 1
