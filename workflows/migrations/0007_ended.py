"""An index of the runs by their end, for the first page of the admin."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Made without a lock: runs go on ending meanwhile."""

    atomic = False
    dependencies = [("workflows", "0006_layout")]

    operations = [
        AddIndexConcurrently(
            model_name="dagrun",
            index=models.Index(
                fields=["ended_at"], condition=models.Q(("ended_at__isnull", False)), name="dagrun_ended"
            ),
        ),
        migrations.AlterField(  # of what Django calls the choices; nothing changes in the database
            model_name="taskattempt",
            name="end",
            field=models.CharField(
                blank=True,
                choices=[
                    ("success", "success"),
                    ("skipped", "skipped"),
                    ("failed", "failed"),
                    ("retrying", "retrying"),
                    ("deferred", "deferred"),
                    ("lost", "lost"),
                    ("handed_back", "handed back"),
                    ("cancelled", "cancelled"),
                ],
                db_default="",
                default="",
                max_length=16,
                verbose_name="end",
            ),
        ),
    ]
