"""The command `apo`, and ``python -m apo_engine.cli``."""

from apo_engine.module_path import leave_out_working_folder


def run() -> None:
    """Run `apo`, with no module of the folder that it is started in."""
    leave_out_working_folder()
    from apo_engine.cli.main import run as run_command

    run_command()


if __name__ == "__main__":
    run()
