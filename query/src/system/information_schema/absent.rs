//! Views of what does not exist here: domains, user-defined types, foreign data, usage grants; and of the standard's
//! own tables about features, which nobody reads.

use crate::system::pg_catalog::{SystemRelation, no_rows, table, view};

pub(super) static RELATIONS: &[SystemRelation] = &[
    view(
        "administrable_role_authorizations",
        "grantee sql_identifier, role_name sql_identifier, is_grantable yes_or_no",
        no_rows,
    ),
    view(
        "attributes",
        "udt_catalog sql_identifier, udt_schema sql_identifier, udt_name sql_identifier, \
         attribute_name sql_identifier, ordinal_position cardinal_number, attribute_default character_data, \
         is_nullable yes_or_no, data_type character_data, character_maximum_length cardinal_number, \
         character_octet_length cardinal_number, character_set_catalog sql_identifier, \
         character_set_schema sql_identifier, character_set_name sql_identifier, \
         collation_catalog sql_identifier, collation_schema sql_identifier, collation_name sql_identifier, \
         numeric_precision cardinal_number, numeric_precision_radix cardinal_number, \
         numeric_scale cardinal_number, datetime_precision cardinal_number, interval_type character_data, \
         interval_precision cardinal_number, attribute_udt_catalog sql_identifier, \
         attribute_udt_schema sql_identifier, attribute_udt_name sql_identifier, scope_catalog sql_identifier, \
         scope_schema sql_identifier, scope_name sql_identifier, maximum_cardinality cardinal_number, \
         dtd_identifier sql_identifier, is_derived_reference_attribute yes_or_no",
        no_rows,
    ),
    view(
        "check_constraint_routine_usage",
        "constraint_catalog sql_identifier, constraint_schema sql_identifier, constraint_name sql_identifier, \
         specific_catalog sql_identifier, specific_schema sql_identifier, specific_name sql_identifier",
        no_rows,
    ),
    view(
        "column_column_usage",
        "table_catalog sql_identifier, table_schema sql_identifier, table_name sql_identifier, \
         column_name sql_identifier, dependent_column sql_identifier",
        no_rows,
    ),
    view(
        "column_domain_usage",
        "domain_catalog sql_identifier, domain_schema sql_identifier, domain_name sql_identifier, \
         table_catalog sql_identifier, table_schema sql_identifier, table_name sql_identifier, \
         column_name sql_identifier",
        no_rows,
    ),
    view(
        "column_options",
        "table_catalog sql_identifier, table_schema sql_identifier, table_name sql_identifier, \
         column_name sql_identifier, option_name sql_identifier, option_value character_data",
        no_rows,
    ),
    view(
        "data_type_privileges",
        "object_catalog sql_identifier, object_schema sql_identifier, object_name sql_identifier, \
         object_type character_data, dtd_identifier sql_identifier",
        no_rows,
    ),
    view(
        "domain_constraints",
        "constraint_catalog sql_identifier, constraint_schema sql_identifier, constraint_name sql_identifier, \
         domain_catalog sql_identifier, domain_schema sql_identifier, domain_name sql_identifier, \
         is_deferrable yes_or_no, initially_deferred yes_or_no",
        no_rows,
    ),
    view(
        "domain_udt_usage",
        "udt_catalog sql_identifier, udt_schema sql_identifier, udt_name sql_identifier, \
         domain_catalog sql_identifier, domain_schema sql_identifier, domain_name sql_identifier",
        no_rows,
    ),
    view(
        "domains",
        "domain_catalog sql_identifier, domain_schema sql_identifier, domain_name sql_identifier, \
         data_type character_data, character_maximum_length cardinal_number, \
         character_octet_length cardinal_number, character_set_catalog sql_identifier, \
         character_set_schema sql_identifier, character_set_name sql_identifier, \
         collation_catalog sql_identifier, collation_schema sql_identifier, collation_name sql_identifier, \
         numeric_precision cardinal_number, numeric_precision_radix cardinal_number, \
         numeric_scale cardinal_number, datetime_precision cardinal_number, interval_type character_data, \
         interval_precision cardinal_number, domain_default character_data, udt_catalog sql_identifier, \
         udt_schema sql_identifier, udt_name sql_identifier, scope_catalog sql_identifier, \
         scope_schema sql_identifier, scope_name sql_identifier, maximum_cardinality cardinal_number, \
         dtd_identifier sql_identifier",
        no_rows,
    ),
    view(
        "foreign_data_wrapper_options",
        "foreign_data_wrapper_catalog sql_identifier, foreign_data_wrapper_name sql_identifier, \
         option_name sql_identifier, option_value character_data",
        no_rows,
    ),
    view(
        "foreign_data_wrappers",
        "foreign_data_wrapper_catalog sql_identifier, foreign_data_wrapper_name sql_identifier, \
         authorization_identifier sql_identifier, library_name character_data, \
         foreign_data_wrapper_language character_data",
        no_rows,
    ),
    view(
        "foreign_server_options",
        "foreign_server_catalog sql_identifier, foreign_server_name sql_identifier, \
         option_name sql_identifier, option_value character_data",
        no_rows,
    ),
    view(
        "foreign_servers",
        "foreign_server_catalog sql_identifier, foreign_server_name sql_identifier, \
         foreign_data_wrapper_catalog sql_identifier, foreign_data_wrapper_name sql_identifier, \
         foreign_server_type character_data, foreign_server_version character_data, \
         authorization_identifier sql_identifier",
        no_rows,
    ),
    view(
        "foreign_table_options",
        "foreign_table_catalog sql_identifier, foreign_table_schema sql_identifier, \
         foreign_table_name sql_identifier, option_name sql_identifier, option_value character_data",
        no_rows,
    ),
    view(
        "foreign_tables",
        "foreign_table_catalog sql_identifier, foreign_table_schema sql_identifier, \
         foreign_table_name sql_identifier, foreign_server_catalog sql_identifier, \
         foreign_server_name sql_identifier",
        no_rows,
    ),
    view(
        "role_udt_grants",
        "grantor sql_identifier, grantee sql_identifier, udt_catalog sql_identifier, \
         udt_schema sql_identifier, udt_name sql_identifier, privilege_type character_data, \
         is_grantable yes_or_no",
        no_rows,
    ),
    view(
        "role_usage_grants",
        "grantor sql_identifier, grantee sql_identifier, object_catalog sql_identifier, \
         object_schema sql_identifier, object_name sql_identifier, object_type character_data, \
         privilege_type character_data, is_grantable yes_or_no",
        no_rows,
    ),
    view(
        "routine_column_usage",
        "specific_catalog sql_identifier, specific_schema sql_identifier, specific_name sql_identifier, \
         routine_catalog sql_identifier, routine_schema sql_identifier, routine_name sql_identifier, \
         table_catalog sql_identifier, table_schema sql_identifier, table_name sql_identifier, \
         column_name sql_identifier",
        no_rows,
    ),
    view(
        "routine_routine_usage",
        "specific_catalog sql_identifier, specific_schema sql_identifier, specific_name sql_identifier, \
         routine_catalog sql_identifier, routine_schema sql_identifier, routine_name sql_identifier",
        no_rows,
    ),
    view(
        "routine_sequence_usage",
        "specific_catalog sql_identifier, specific_schema sql_identifier, specific_name sql_identifier, \
         routine_catalog sql_identifier, routine_schema sql_identifier, routine_name sql_identifier, \
         sequence_catalog sql_identifier, sequence_schema sql_identifier, sequence_name sql_identifier",
        no_rows,
    ),
    view(
        "routine_table_usage",
        "specific_catalog sql_identifier, specific_schema sql_identifier, specific_name sql_identifier, \
         routine_catalog sql_identifier, routine_schema sql_identifier, routine_name sql_identifier, \
         table_catalog sql_identifier, table_schema sql_identifier, table_name sql_identifier",
        no_rows,
    ),
    table(
        "sql_features",
        "feature_id character_data, feature_name character_data, sub_feature_id character_data, \
         sub_feature_name character_data, is_supported yes_or_no, is_verified_by character_data, \
         comments character_data",
        no_rows,
    ),
    table(
        "sql_implementation_info",
        "implementation_info_id character_data, implementation_info_name character_data, \
         integer_value cardinal_number, character_value character_data, comments character_data",
        no_rows,
    ),
    table(
        "sql_parts",
        "feature_id character_data, feature_name character_data, is_supported yes_or_no, \
         is_verified_by character_data, comments character_data",
        no_rows,
    ),
    table(
        "sql_sizing",
        "sizing_id cardinal_number, sizing_name character_data, supported_value cardinal_number, \
         comments character_data",
        no_rows,
    ),
    view(
        "transforms",
        "udt_catalog sql_identifier, udt_schema sql_identifier, udt_name sql_identifier, \
         specific_catalog sql_identifier, specific_schema sql_identifier, specific_name sql_identifier, \
         group_name sql_identifier, transform_type character_data",
        no_rows,
    ),
    view(
        "triggered_update_columns",
        "trigger_catalog sql_identifier, trigger_schema sql_identifier, trigger_name sql_identifier, \
         event_object_catalog sql_identifier, event_object_schema sql_identifier, \
         event_object_table sql_identifier, event_object_column sql_identifier",
        no_rows,
    ),
    view(
        "udt_privileges",
        "grantor sql_identifier, grantee sql_identifier, udt_catalog sql_identifier, \
         udt_schema sql_identifier, udt_name sql_identifier, privilege_type character_data, \
         is_grantable yes_or_no",
        no_rows,
    ),
    view(
        "usage_privileges",
        "grantor sql_identifier, grantee sql_identifier, object_catalog sql_identifier, \
         object_schema sql_identifier, object_name sql_identifier, object_type character_data, \
         privilege_type character_data, is_grantable yes_or_no",
        no_rows,
    ),
    view(
        "user_defined_types",
        "user_defined_type_catalog sql_identifier, user_defined_type_schema sql_identifier, \
         user_defined_type_name sql_identifier, user_defined_type_category character_data, \
         is_instantiable yes_or_no, is_final yes_or_no, ordering_form character_data, \
         ordering_category character_data, ordering_routine_catalog sql_identifier, \
         ordering_routine_schema sql_identifier, ordering_routine_name sql_identifier, \
         reference_type character_data, data_type character_data, character_maximum_length cardinal_number, \
         character_octet_length cardinal_number, character_set_catalog sql_identifier, \
         character_set_schema sql_identifier, character_set_name sql_identifier, \
         collation_catalog sql_identifier, collation_schema sql_identifier, collation_name sql_identifier, \
         numeric_precision cardinal_number, numeric_precision_radix cardinal_number, \
         numeric_scale cardinal_number, datetime_precision cardinal_number, interval_type character_data, \
         interval_precision cardinal_number, source_dtd_identifier sql_identifier, \
         ref_dtd_identifier sql_identifier",
        no_rows,
    ),
    view(
        "user_mapping_options",
        "authorization_identifier sql_identifier, foreign_server_catalog sql_identifier, \
         foreign_server_name sql_identifier, option_name sql_identifier, option_value character_data",
        no_rows,
    ),
    view(
        "user_mappings",
        "authorization_identifier sql_identifier, foreign_server_catalog sql_identifier, \
         foreign_server_name sql_identifier",
        no_rows,
    ),
    view(
        "view_column_usage",
        "view_catalog sql_identifier, view_schema sql_identifier, view_name sql_identifier, \
         table_catalog sql_identifier, table_schema sql_identifier, table_name sql_identifier, \
         column_name sql_identifier",
        no_rows,
    ),
    view(
        "view_routine_usage",
        "table_catalog sql_identifier, table_schema sql_identifier, table_name sql_identifier, \
         specific_catalog sql_identifier, specific_schema sql_identifier, specific_name sql_identifier",
        no_rows,
    ),
];
