"""The job `bcrlsp control` as a script, with the same arguments, for spark-submit."""

from bcrlsp.cli import run_job

if __name__ == "__main__":
    run_job("control")
