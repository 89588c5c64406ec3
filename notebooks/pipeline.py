# Databricks notebook source
# MAGIC %md
# MAGIC # Who gets which bonus: the pipeline, step by step
# MAGIC
# MAGIC A small simulated market goes the whole way: events, trajectories, a policy learned from them, its
# MAGIC evaluation from the log alone, one day's bonuses within a budget, a report. Each step is a command of
# MAGIC `bcrlsp`, called as on the command line; between the steps we look at the tables that it wrote.
# MAGIC
# MAGIC On Databricks the widgets at the top say where tables and files go. Elsewhere it is a plain script,
# MAGIC `python notebooks/pipeline.py`, and an environment variable such as `BCRLSP_USERS` takes a widget's place.

# COMMAND ----------

import json
import os
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from pyspark.sql import functions as F

from bcrlsp.cli import run
from bcrlsp.config import load_config
from bcrlsp.session import get_session
from bcrlsp.tables import Lake


def parameter(name, default, meaning):
    """A widget's value on Databricks, elsewhere that of BCRLSP_NAME, else the default."""
    if "dbutils" in globals():
        dbutils.widgets.text(name, default, meaning)  # noqa: F821 - Databricks brings it
        return dbutils.widgets.get(name)  # noqa: F821
    return os.environ.get(f"BCRLSP_{name.upper()}", default)


users = parameter("users", "5000", "Users of the simulated market")
periods = int(parameter("periods", "30", "Logged periods"))
held_out = int(parameter("held_out", "7", "Last periods, kept for the evaluation"))
updates = parameter("updates", "4000", "Gradient steps of the training")
catalog = parameter("catalog", "", "Catalog of the tables (empty: a folder)")
schema = parameter("schema", "bcrlsp", "Schema of the tables, where there is a catalog")
folder = parameter("folder", "", "Folder of tables and files (empty: a temporary one)")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Settings
# MAGIC What is not set here has its default; `conf/local.yaml` is the same as a file.

# COMMAND ----------

folder = folder or tempfile.mkdtemp(prefix="bcrlsp-")
settings = [f"artifacts={folder}/artifacts", f"training.updates={updates}"]
if catalog:
    settings += ["lake.root=null", f"lake.catalog={catalog}", f"lake.schema={schema}"]
else:
    settings += [f"lake.root={folder}/lake"]

config = load_config(overrides=settings)
calendar = config.period.calendar()
spark = get_session(config.spark)
lake = Lake(spark, config.lake)


def bcrlsp(command, *options):
    """Runs one command, shows what it says, and returns the same as data."""
    said = StringIO()
    chosen = [word for setting in settings for word in ("--set", setting)]
    with redirect_stdout(said):
        code = run([command, *options, *chosen, "--json"])
    if code:
        raise RuntimeError(f"bcrlsp {command} ended with code {code}")
    *lines, data = said.getvalue().splitlines()
    print("\n".join(lines))
    return json.loads(data)


def day(index):
    """A period as the commands take it: the start of the one with this number."""
    return calendar.start(index).isoformat()


# COMMAND ----------

# MAGIC %md
# MAGIC ## 1. Events
# MAGIC Users come back or do not; a bonus makes it likelier, for some more than for others, and wears out when
# MAGIC it is repeated. The log's own policy draws its levels at random and writes down with which probability.

# COMMAND ----------

bcrlsp("simulate", "--users", users, "--periods", str(periods))

bonuses = lake.read("bonuses")
bonuses.groupBy("level").agg(
    F.count("*").alias("sent"), F.round(F.avg("propensity"), 3).alias("mean_propensity")
).orderBy("level").show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## 2. Trajectories
# MAGIC One row a user and period: what was known before the decision, the level, the reward and the cost after it.

# COMMAND ----------

bcrlsp("trajectories", "--from", day(0), "--to", day(periods))

lake.read("trajectories").select(
    "user_id", "period", "step", F.size("state").alias("features"), "level", "reward", "cost", "propensity"
).orderBy("user_id", "step").show(5)

# COMMAND ----------

# MAGIC %md
# MAGIC ## 3. A policy
# MAGIC A conservative Q-learner, trained on all but the last periods. What it learns is kept with the versions of
# MAGIC the tables that it came from.

# COMMAND ----------

policy = bcrlsp("train", "--as-of", day(periods - held_out))["policy_id"]

lake.read("policies").select("policy_id", "algorithm", "as_of", "source_versions").show(truncate=False)

# COMMAND ----------

# MAGIC %md
# MAGIC ## 4. What would it have done?
# MAGIC Estimated from the periods that it has not seen, under the budget that the log spent; `on-policy` is what
# MAGIC the log's own policy reached.

# COMMAND ----------

budget = bcrlsp("evaluate", "--policy", policy)["budget"]

lake.read("evaluations").select("measure", "estimator", "estimate", "low", "high").orderBy(
    "measure", "estimator"
).show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## 5. The next period's bonuses
# MAGIC A level for every user, never over the budget, with a certificate: no other choice can be worth more than
# MAGIC its bound.

# COMMAND ----------

bcrlsp(
    "allocate", "--period", day(periods), "--budget", str(budget), "--policy", policy
)

lake.read("allocations").groupBy("level").agg(
    F.count("*").alias("users"), F.round(F.sum("cost"), 2).alias("cost")
).orderBy("level").show()
lake.read("certificates").select("value", "bound", "gap", "spend", "limits").show(truncate=False)

# COMMAND ----------

# MAGIC %md
# MAGIC ## 6. The report
# MAGIC All of it on one page that needs no network.

# COMMAND ----------

page = bcrlsp("report", "--period", day(periods))["report"]

if "displayHTML" in globals():
    displayHTML(Path(page).read_text(encoding="utf-8"))  # noqa: F821 - Databricks brings it
