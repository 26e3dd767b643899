"""``nodejs:20``: Debian's node.js and npm, for the lesson on the cache. The article's program is one for node.js.

Debian's npm depends on many packages that it never loads: compilers of JavaScript, tests, type declarations, Python
for packages of native code. The large ones are left out, so it is less than half of what ``apt-get install`` brings.
A web client is among the shell's commands, to try a service from within.
"""

import re

from kit.lab.toolchain import APPLETS
from kit.lab.unpacked import Unpacked

_UNUSED_MODULES = (
    "@babel|@types|@webassemblyjs|ajv|async.*|caniuse.*|core-js.*|corepack|es-abstract|eslint.*|handlebars|istanbul.*"
    "|lodash.*|neo-async|regenerate-.*|terser|web-streams-polyfill|webassemblyjs|webpack"
)
_LEFT_OUT = re.compile(
    r"((dev|etc/apt|usr/include|var/(cache|lib|log))/|usr/lib/python3|usr/lib/[^/]+/(gconv|perl|pkgconfig)).+"
    r"|usr/share/(bug|doc|info|lintian|locale|man|zoneinfo)/.+|usr/lib/.*\.a|usr/bin/(py|python).*"
    rf"|usr/share/nodejs/({_UNUSED_MODULES})/.+"
)

NODEJS = Unpacked(
    name="nodejs:20",
    packages=("base-files", "busybox-static", "ca-certificates", "nodejs", "npm"),
    left_out=_LEFT_OUT,
    applets=(*APPLETS, "timeout", "wget"),
).recipe("nodejs and npm from trixie, with busybox")
