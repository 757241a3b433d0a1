"""The command `apo-language-server`, and ``python -m apo_server``."""

from apo_engine.module_path import leave_out_working_folder


def run() -> None:
    """Run the server, with no module of the folder that it is started in."""
    leave_out_working_folder()
    from apo_server.main import run as run_server

    run_server()


if __name__ == "__main__":
    run()
