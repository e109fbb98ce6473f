"""Django 5: tables made by its schema editor, its introspection and inspectdb."""

import io
import sys

import django
from django.conf import settings

port, *rest = sys.argv[1:]
user, database = rest or ["ann", "sinew"]
settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": "127.0.0.1",
            "PORT": port,
            "USER": user,
            "NAME": database,
        }
    },
    INSTALLED_APPS=[],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import IntegrityError, connection, models, transaction  # noqa: E402


class Shelf(models.Model):
    name = models.CharField(max_length=40, unique=True)
    made = models.DateTimeField(null=True)

    class Meta:
        app_label = "driver"
        db_table = "dj_shelf"


class Item(models.Model):
    shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE)
    label = models.TextField(db_index=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    data = models.JSONField(null=True)
    code = models.UUIDField(null=True)

    class Meta:
        app_label = "driver"
        db_table = "dj_item"
        constraints = [
            models.UniqueConstraint(fields=["shelf", "code"], name="dj_item_code"),
            models.CheckConstraint(condition=models.Q(price__gte=0), name="dj_item_price"),
        ]
        indexes = [models.Index(fields=["-price", "code"], name="dj_item_by_price")]


def deferred_keys() -> None:
    """Foreign keys are made DEFERRABLE INITIALLY DEFERRED: a row may come before the one that it refers to."""
    with transaction.atomic():
        item = Item.objects.create(shelf_id=1000, label="early")
        Shelf.objects.create(id=1000, name="late")
    item.delete()
    try:
        with transaction.atomic():
            Item.objects.create(shelf_id=1001, label="nowhere")
        raise AssertionError("a row that refers to nothing was committed")
    except IntegrityError:
        pass
    with transaction.atomic():
        connection.check_constraints()
    Shelf.objects.filter(id=1000).delete()


def schema() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS dj_item, dj_shelf")
    with connection.schema_editor() as editor:
        editor.create_model(Shelf)
        editor.create_model(Item)
    shelf = Shelf.objects.create(name="top")
    Item.objects.bulk_create([Item(shelf=shelf, label=f"item {i}", price=i, data={"n": i}) for i in range(5)])
    assert Item.objects.filter(data__n__gte=3).count() == 2
    assert Item.objects.aggregate(models.Sum("price"))["price__sum"] == 10
    assert list(Item.objects.select_related("shelf").order_by("-price").values_list("shelf__name", "label"))[0] == ("top", "item 4")
    deferred_keys()
    with connection.cursor() as cursor:
        introspection = connection.introspection
        tables = {table.name for table in introspection.get_table_list(cursor)}
        assert {"dj_item", "dj_shelf"} <= tables
        columns = {column.name: column for column in introspection.get_table_description(cursor, "dj_item")}
        assert introspection.get_field_type(columns["price"].type_code, columns["price"]) == "DecimalField"
        assert introspection.get_field_type(columns["data"].type_code, columns["data"]) == "JSONField"
        assert (columns["price"].precision, columns["price"].scale) == (8, 2), columns["price"]
        assert introspection.get_relations(cursor, "dj_item") == {"shelf_id": ("id", "dj_shelf")}
        assert introspection.get_primary_key_columns(cursor, "dj_item") == ["id"]
        (sequence,) = introspection.get_sequences(cursor, "dj_item")
        assert (sequence["table"], sequence["column"]) == ("dj_item", "id"), sequence
        constraints = introspection.get_constraints(cursor, "dj_item")
        assert constraints["dj_item_code"]["unique"] and constraints["dj_item_code"]["columns"] == ["shelf_id", "code"]
        assert constraints["dj_item_price"]["check"], constraints["dj_item_price"]
        assert constraints["dj_item_by_price"]["columns"] == ["price", "code"], constraints["dj_item_by_price"]
        assert constraints["dj_item_by_price"]["orders"] == ["DESC", "ASC"], constraints["dj_item_by_price"]
        foreign = [constraint for constraint in constraints.values() if constraint["foreign_key"]]
        assert [key["foreign_key"] for key in foreign] == [("dj_shelf", "id")], foreign
    out = io.StringIO()
    call_command("inspectdb", "dj_item", stdout=out)
    assert "price = models.DecimalField(max_digits=8, decimal_places=2)" in out.getvalue(), out.getvalue()
    with connection.schema_editor() as editor:
        field = models.CharField(max_length=10, default="new")
        field.set_attributes_from_name("state")
        editor.add_field(Item, field)
        editor.remove_field(Item, field)
        editor.delete_model(Item)
        editor.delete_model(Shelf)


if __name__ == "__main__":
    schema()
    print("Django: ok")
