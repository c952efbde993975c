"""The process that runs llama.cpp's OpenAI-compatible server; started by ``local.LocalServer``.

Run as a script with one argument, a JSON object {weights, alias, port, n_ctx, n_parallel}. Its
first and only line on stdout is a JSON object: {"address": URL} or {"error": text}. Everything
else, llama.cpp's own lines included, goes to stderr. It ends when its stdin reaches end of file, so
that nothing is left when its parent dies, however it dies. Imports little beside xllamacpp.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from typing import Any

from pytest_agentbench.providers.parent import exit_with_parent


def main() -> None:
    """Serve until stdin closes."""
    options: dict[str, Any] = json.loads(sys.argv[1])
    # llama.cpp may print what it likes on fd 1; only the address may reach the parent there.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    watch = threading.Thread(target=exit_with_parent, daemon=True)
    watch.start()
    try:
        server = _serve(options)
        said = {"address": server.listening_address}
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent has to say it
        said = {"error": f"{type(error).__name__}: {error}"}
    with contextlib.suppress(BrokenPipeError), answer:
        answer.write(json.dumps(said) + "\n")
    if "error" in said:
        os._exit(1)
    watch.join()


def _serve(options: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options["weights"]
    params.model_alias = {options["alias"]}
    params.hostnames = ["127.0.0.1"]
    params.port = options["port"]
    params.n_ctx = options["n_ctx"]
    params.n_parallel = options["n_parallel"]
    params.use_jinja = True
    # Two threads on two busy cores wait for each other at every layer: 90 tokens/s become 1.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.n_gpu_layers = 0
    # Samples repeat their prompts: keep a few evaluated ones (the default is 8 GiB).
    params.cache_ram_mib = 256
    params.ui = False
    params.offline = True
    params.verbosity = 2
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
