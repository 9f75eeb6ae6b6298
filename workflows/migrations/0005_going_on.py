"""What a worker goes on with: tasks that wait without a message; and a count that goes down without touching an index.

`undecided` is a stored column, so the table of task executions is written anew, once, under an exclusive lock.
"""

import workflows.core.states
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('workflows', '0004_moves'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='taskexecution',
            name='task_undecided',
        ),
        migrations.AddField(
            model_name='taskexecution',
            name='undecided',
            field=models.GeneratedField(db_persist=True, expression=models.Q(('state', workflows.core.states.TaskState['PENDING']), ('waiting_on', 0)), output_field=models.BooleanField(), verbose_name='undecided'),
        ),
        migrations.AddField(
            model_name='taskexecution',
            name='withheld',
            field=models.BooleanField(db_default=False, default=False, verbose_name='withheld'),
        ),
        migrations.AlterField(
            model_name='taskexecution',
            name='sent_at',
            field=models.DateTimeField(blank=True, help_text='When the reconciler last sent it; of one that runs, when the message was queued that led to it.', null=True, verbose_name='sent at'),
        ),
        migrations.AddIndex(
            model_name='taskexecution',
            index=models.Index(condition=models.Q(('undecided', True)), fields=['run'], name='task_undecided'),
        ),
        migrations.AddIndex(
            model_name='taskexecution',
            index=models.Index(condition=models.Q(('withheld', True)), fields=['run', 'queue', '-priority', '-id'], name='task_withheld'),
        ),
    ]
