/*
 * extract_constant.c - see extract_constant.h. The canonical forms are those of
 * plan/predicate_tokens.h; the text of the same constant is read into them by plan/value.cpp.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "storage/itemptr.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "extension/compat.h"
#include "extension/extract_constant.h"

#define MAX_DOMAIN_DEPTH 32

/* What we need to know of a type; a domain counts as what it is over. */
typedef struct TypeFacts
{
	Oid			type;
	Oid			element;		/* of an array, else InvalidOid */
	int16		length;
	bool		by_value;
	char		align;
	bool		is_enum;
} TypeFacts;

static bool
find_type(Oid type, TypeFacts *facts)
{
	for (int depth = 0; depth < MAX_DOMAIN_DEPTH; depth++)
	{
		HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
		Form_pg_type form;

		if (!HeapTupleIsValid(tuple))
			return false;
		form = (Form_pg_type) GETSTRUCT(tuple);
		facts->type = type;
		facts->length = form->typlen;
		facts->by_value = form->typbyval;
		facts->align = form->typalign;
		facts->is_enum = form->typtype == TYPTYPE_ENUM;
		facts->element = form->typsubscript == F_ARRAY_SUBSCRIPT_HANDLER &&
			type != INT2VECTOROID && type != OIDVECTOROID ? form->typelem : InvalidOid;
		type = form->typtype == TYPTYPE_DOMAIN ? form->typbasetype : InvalidOid;
		ReleaseSysCache(tuple);
		if (!OidIsValid(type))
			return true;
	}
	return false;
}

static void
add_content(PredictorPredicate *hash, PredictorValue value_class, const void *bytes, Size length)
{
	predictor_predicate_content(hash, value_class, bytes, length);
}

static void
add_string(PredictorPredicate *hash, const char *text)
{
	add_content(hash, PREDICTOR_VALUE_TEXT, text, strlen(text));
}

static void
add_point_in_time(PredictorPredicate *hash, int64 microseconds)
{
	add_content(hash, PREDICTOR_VALUE_TIME, &microseconds, sizeof(microseconds));
}

static void
add_date(PredictorPredicate *hash, DateADT date)
{
	if (DATE_IS_NOBEGIN(date))
		add_point_in_time(hash, PG_INT64_MIN);
	else if (DATE_IS_NOEND(date))
		add_point_in_time(hash, PG_INT64_MAX);
	else
		add_point_in_time(hash, date * USECS_PER_DAY);
}

static void
add_uuid(PredictorPredicate *hash, const pg_uuid_t *uuid)
{
	static const char digits[] = "0123456789abcdef";
	char		text[2 * UUID_LEN + 5];
	char	   *at = text;

	for (int i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = digits[uuid->data[i] >> 4];
		*at++ = digits[uuid->data[i] & 15];
	}
	*at = '\0';
	add_string(hash, text);
}

/*
 * A numeric's digits, base 10000, stand behind a header of one or two words (numeric.c). Digits
 * beyond what the canonical form keeps are left out.
 */
#define NUMERIC_DIGITS 140

static void
add_numeric(PredictorPredicate *hash, const char *data, int length)
{
	char		text[NUMERIC_DIGITS * 4 + 32];
	char	   *at = text;
	uint16		header;
	int16		weight;
	int			header_size = sizeof(uint16);
	int			count;

	memcpy(&header, data, sizeof(header));
	if ((header & 0xC000) == 0xC000)
	{
		predictor_predicate_decimal(hash, header == 0xC000 ? "NaN" :
									header == 0xD000 ? "Infinity" : "-Infinity");
		return;
	}
	if (header & 0x8000)
	{
		weight = (header & 0x003F) | (header & 0x0040 ? ~0x003F : 0);
		if (header & 0x2000)
			*at++ = '-';
	}
	else
	{
		header_size = 2 * sizeof(uint16);
		memcpy(&weight, data + sizeof(uint16), sizeof(weight));
		if ((header & 0xC000) == 0x4000)
			*at++ = '-';
	}
	count = Min((length - header_size) / (int) sizeof(int16), NUMERIC_DIGITS);
	*at++ = '0';
	for (int i = 0; i < count; i++)
	{
		int16		digit;

		memcpy(&digit, data + header_size + i * sizeof(int16), sizeof(digit));
		at += sprintf(at, "%04d", digit);
	}
	sprintf(at, "e%d", 4 * (weight + 1 - count));
	predictor_predicate_decimal(hash, text);
}

static void
add_interval(PredictorPredicate *hash, const Interval *interval)
{
	int64		parts[3] = {interval->month, interval->day, interval->time};

	add_content(hash, PREDICTOR_VALUE_INTERVAL, parts, sizeof(parts));
}

static void
add_time_of_day(PredictorPredicate *hash, int64 time, int64 zone)
{
	int64		parts[2] = {time, zone};

	add_content(hash, PREDICTOR_VALUE_TIME_OF_DAY, parts, sizeof(parts));
}

static void
add_tuple_identifier(PredictorPredicate *hash, ItemPointer tid)
{
	char		text[32];

	snprintf(text, sizeof(text), "(%u,%u)", ItemPointerGetBlockNumberNoCheck(tid),
			 ItemPointerGetOffsetNumberNoCheck(tid));
	add_string(hash, text);
}

static void
add_enum(PredictorPredicate *hash, Oid value)
{
	HeapTuple	tuple = SearchSysCache1(ENUMOID, ObjectIdGetDatum(value));

	if (!HeapTupleIsValid(tuple))
		return;
	add_string(hash, NameStr(((Form_pg_enum) GETSTRUCT(tuple))->enumlabel));
	ReleaseSysCache(tuple);
}

static bool
add_scalar_by_value(PredictorPredicate *hash, Oid type, Datum value)
{
	switch (type)
	{
		case BOOLOID:
			add_content(hash, PREDICTOR_VALUE_BOOL, DatumGetBool(value) ? "t" : "f", 1);
			return true;
		case INT2OID:
			predictor_predicate_integer(hash, DatumGetInt16(value));
			return true;
		case INT4OID:
			predictor_predicate_integer(hash, DatumGetInt32(value));
			return true;
		case INT8OID:
			predictor_predicate_integer(hash, DatumGetInt64(value));
			return true;
		case OIDOID:
		case XIDOID:
		case CIDOID:
			predictor_predicate_integer(hash, DatumGetUInt32(value));
			return true;
		case FLOAT4OID:
			predictor_predicate_float(hash, DatumGetFloat4(value));
			return true;
		case FLOAT8OID:
			predictor_predicate_double(hash, DatumGetFloat8(value));
			return true;
		case DATEOID:
			add_date(hash, DatumGetDateADT(value));
			return true;
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			add_point_in_time(hash, DatumGetTimestamp(value));
			return true;
		case TIMEOID:
			add_time_of_day(hash, DatumGetTimeADT(value), 0);
			return true;
		case CHAROID:
			{
				char		c = DatumGetChar(value);

				add_content(hash, PREDICTOR_VALUE_TEXT, &c, c == '\0' ? 0 : 1);
				return true;
			}
		default:
			return false;
	}
}

static bool
add_scalar_by_reference(PredictorPredicate *hash, Oid type, const char *at)
{
	switch (type)
	{
		case NAMEOID:
			add_string(hash, NameStr(*(const NameData *) at));
			return true;
		case CSTRINGOID:
		case UNKNOWNOID:
			add_string(hash, at);
			return true;
		case UUIDOID:
			add_uuid(hash, (const pg_uuid_t *) at);
			return true;
		case TIDOID:
			add_tuple_identifier(hash, (ItemPointer) at);
			return true;
		case INTERVALOID:
			add_interval(hash, (const Interval *) at);
			return true;
		case TIMETZOID:
			add_time_of_day(hash, ((const TimeTzADT *) at)->time, ((const TimeTzADT *) at)->zone);
			return true;
		default:
			return false;
	}
}

static void
add_varlena(PredictorPredicate *hash, Oid type, const char *data, int length)
{
	switch (type)
	{
		case NUMERICOID:
			add_numeric(hash, data, length);
			break;
		case BPCHAROID:
			/* trailing blanks do not count when it is compared */
			while (length > 0 && data[length - 1] == ' ')
				length--;
			add_content(hash, PREDICTOR_VALUE_TEXT, data, length);
			break;
		case TEXTOID:
		case VARCHAROID:
		case JSONOID:
		case XMLOID:
			add_content(hash, PREDICTOR_VALUE_TEXT, data, length);
			break;
		case BYTEAOID:
			add_content(hash, PREDICTOR_VALUE_BYTES, data, length);
			break;
		default:
			add_content(hash, PREDICTOR_VALUE_OPAQUE, data, length);
			break;
	}
}

/* One value that is no array. */
static void
add_scalar(PredictorPredicate *hash, const TypeFacts *facts, Datum value)
{
	struct varlena *bytes = (struct varlena *) DatumGetPointer(value);

	if (facts->is_enum)
		add_enum(hash, DatumGetObjectId(value));
	else if (add_scalar_by_value(hash, facts->type, value))
		return;
	else if (facts->by_value)
		add_content(hash, PREDICTOR_VALUE_OPAQUE, &value, sizeof(value));
	else if (add_scalar_by_reference(hash, facts->type, DatumGetPointer(value)))
		return;
	else if (facts->length > 0)
		add_content(hash, PREDICTOR_VALUE_OPAQUE, DatumGetPointer(value), facts->length);
	else if (facts->length == -2)
		add_string(hash, DatumGetCString(value));
	else if (VARATT_IS_EXTERNAL_EXPANDED(bytes))
		return;					/* its bytes are an address: it counts by its presence */
	else if (VARATT_IS_EXTERNAL(bytes) || VARATT_IS_COMPRESSED(bytes))
		add_content(hash, PREDICTOR_VALUE_OPAQUE, bytes, VARSIZE_ANY(bytes));
	else
		add_varlena(hash, facts->type, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

static void
add_element(PredictorPredicate *hash, const TypeFacts *facts, Datum value, bool isnull)
{
	if (isnull)
		add_content(hash, PREDICTOR_VALUE_NULL, NULL, 0);
	else
		add_scalar(hash, facts, value);
}

static void
add_flat_array(PredictorPredicate *hash, const TypeFacts *element, ArrayType *array)
{
	int			count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	const char *data = ARR_DATA_PTR(array);
	const bits8 *present = ARR_NULLBITMAP(array);

	predictor_predicate_list(hash, count);
	for (int i = 0; i < count; i++)
	{
		bool		isnull = present != NULL && (present[i / 8] & (1 << (i % 8))) == 0;
		Datum		value = (Datum) 0;

		if (!isnull)
		{
			value = fetch_att(data, element->by_value, element->length);
			data = att_addlength_pointer(data, element->length, data);
			data = (const char *) att_align_nominal(data, element->align);
		}
		add_element(hash, element, value, isnull);
	}
}

static void
add_expanded_array(PredictorPredicate *hash, const TypeFacts *element, ExpandedArrayHeader *array)
{
	if (array->dvalues == NULL)
	{
		add_flat_array(hash, element, array->fvalue);
		return;
	}
	predictor_predicate_list(hash, array->nelems);
	for (int i = 0; i < array->nelems; i++)
		add_element(hash, element, array->dvalues[i], array->dnulls != NULL && array->dnulls[i]);
}

/* An array with a short header is not aligned: it is small enough to be moved to where it is. */
static void
add_short_array(PredictorPredicate *hash, const TypeFacts *element, struct varlena *bytes)
{
	union
	{
		ArrayType	array;
		char		data[256];
	}			copy;
	int			length = VARSIZE_SHORT(bytes) - VARHDRSZ_SHORT;

	memcpy(copy.data + VARHDRSZ, VARDATA_SHORT(bytes), length);
	SET_VARSIZE(copy.data, length + VARHDRSZ);
	add_flat_array(hash, element, &copy.array);
}

/* Returns false for an array that cannot be looked into here. */
static bool
add_array(PredictorPredicate *hash, Oid element_type, Datum value)
{
	struct varlena *bytes = (struct varlena *) DatumGetPointer(value);
	TypeFacts	element;

	if (!find_type(element_type, &element))
		return false;
	if (VARATT_IS_EXTERNAL_EXPANDED(bytes))
	{
		ExpandedArrayHeader *array = (ExpandedArrayHeader *) DatumGetEOHP(value);

		if (array->ea_magic != EA_MAGIC)
			return false;
		add_expanded_array(hash, &element, array);
	}
	else if (VARATT_IS_EXTERNAL(bytes) || VARATT_IS_COMPRESSED(bytes))
		return false;
	else if (VARATT_IS_SHORT(bytes))
		add_short_array(hash, &element, bytes);
	else
		add_flat_array(hash, &element, (ArrayType *) bytes);
	return true;
}

void
extract_constant(PredictorPredicate *hash, Oid type, Datum value, bool isnull)
{
	TypeFacts	facts;
	bool		known = find_type(type, &facts);

	if (known && !isnull && OidIsValid(facts.element) && add_array(hash, facts.element, value))
		return;
	predictor_predicate_mark(hash, PREDICTOR_TOKEN_VALUE, 0);
	if (known)
		add_element(hash, &facts, value, isnull);
}

void
extract_element(PredictorPredicate *hash, Oid type, Datum value, bool isnull)
{
	TypeFacts	facts;

	if (find_type(type, &facts))
		add_element(hash, &facts, value, isnull);
}
