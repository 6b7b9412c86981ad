"""The table of reports."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Makes the table."""

    initial = True
    operations = [  # noqa: RUF012  # Django reads it
        migrations.CreateModel(
            name="Report",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("number", models.CharField(max_length=20, unique=True)),
                ("identity", models.CharField(max_length=20)),
                ("code", models.CharField(max_length=10)),
                ("count", models.IntegerField(null=True)),
                ("about", models.CharField(max_length=60)),
                ("place", models.CharField(max_length=80)),
                ("created", models.DateTimeField(auto_now_add=True)),
            ],
        ),
    ]
