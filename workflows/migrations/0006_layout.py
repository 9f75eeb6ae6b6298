"""Where the designer shows the tasks of a version."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the column; the trigger that keeps versions as they are does not name it."""

    dependencies = [("workflows", "0005_going_on")]

    operations = [
        migrations.AddField(
            model_name="dagversion",
            name="layout",
            field=models.JSONField(
                blank=True,
                help_text="Where the designer shows each task: {task: [x, y]}. Not part of the content.",
                null=True,
                verbose_name="layout",
            ),
        ),
    ]
