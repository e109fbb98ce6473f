//! Catalogs of what does not exist here: inheritance, policies, triggers, partitions, replication, foreign
//! data, text search configurations, large objects. Clients join them and must find them empty.

use super::{SystemRelation, no_rows, table, view};

pub(super) static RELATIONS: &[SystemRelation] = &[
    table("pg_inherits", "inhrelid oid, inhparent oid, inhseqno int4, inhdetachpending bool", no_rows),
    table(
        "pg_policy",
        "oid oid, polname name, polrelid oid, polcmd char, polpermissive bool, polroles oid[], polqual \
         pg_node_tree, polwithcheck pg_node_tree",
        no_rows,
    ),
    table(
        "pg_trigger",
        "oid oid, tgrelid oid, tgparentid oid, tgname name, tgfoid oid, tgtype int2, tgenabled char, \
         tgisinternal bool, tgconstrrelid oid, tgconstrindid oid, tgconstraint oid, tgdeferrable bool, \
         tginitdeferred bool, tgnargs int2, tgattr int2vector, tgargs bytea, tgqual pg_node_tree, tgoldtable \
         name, tgnewtable name",
        no_rows,
    ),
    table(
        "pg_event_trigger",
        "oid oid, evtname name, evtevent name, evtowner oid, evtfoid oid, evtenabled char, evttags text[]",
        no_rows,
    ),
    table(
        "pg_statistic_ext",
        "oid oid, stxrelid oid, stxname name, stxnamespace oid, stxowner oid, stxstattarget int4, stxkeys \
         int2vector, stxkind char[], stxexprs pg_node_tree",
        no_rows,
    ),
    table(
        "pg_partitioned_table",
        "partrelid oid, partstrat char, partnatts int2, partdefid oid, partattrs int2vector, partclass \
         oidvector, partcollation oidvector, partexprs pg_node_tree",
        no_rows,
    ),
    table(
        "pg_publication",
        "oid oid, pubname name, pubowner oid, puballtables bool, pubinsert bool, pubupdate bool, pubdelete \
         bool, pubtruncate bool, pubviaroot bool",
        no_rows,
    ),
    table("pg_publication_rel", "oid oid, prpubid oid, prrelid oid, prqual pg_node_tree, prattrs int2vector", no_rows),
    table("pg_publication_namespace", "oid oid, pnpubid oid, pnnspid oid", no_rows),
    view(
        "pg_publication_tables",
        "pubname name, schemaname name, tablename name, attnames name[], rowfilter text",
        no_rows,
    ),
    table(
        "pg_subscription",
        "oid oid, subdbid oid, subskiplsn pg_lsn, subname name, subowner oid, subenabled bool, subbinary \
         bool, substream bool, subtwophasestate char, subdisableonerr bool, subconninfo text, subslotname \
         name, subsynccommit text, subpublications text[]",
        no_rows,
    ),
    table(
        "pg_foreign_data_wrapper",
        "oid oid, fdwname name, fdwowner oid, fdwhandler oid, fdwvalidator oid, fdwacl aclitem[], fdwoptions \
         text[]",
        no_rows,
    ),
    table(
        "pg_foreign_server",
        "oid oid, srvname name, srvowner oid, srvfdw oid, srvtype text, srvversion text, srvacl aclitem[], \
         srvoptions text[]",
        no_rows,
    ),
    table("pg_foreign_table", "ftrelid oid, ftserver oid, ftoptions text[]", no_rows),
    view("pg_user_mappings", "umid oid, srvid oid, srvname name, umuser oid, usename name, umoptions text[]", no_rows),
    table(
        "pg_default_acl",
        "oid oid, defaclrole oid, defaclnamespace oid, defaclobjtype char, defaclacl aclitem[]",
        no_rows,
    ),
    table("pg_init_privs", "objoid oid, classoid oid, objsubid int4, privtype char, initprivs aclitem[]", no_rows),
    table(
        "pg_shdepend",
        "dbid oid, classid oid, objid oid, objsubid int4, refclassid oid, refobjid oid, deptype char",
        no_rows,
    ),
    table(
        "pg_conversion",
        "oid oid, conname name, connamespace oid, conowner oid, conforencoding int4, contoencoding int4, \
         conproc regproc, condefault bool",
        no_rows,
    ),
    table("pg_transform", "oid oid, trftype oid, trflang oid, trffromsql regproc, trftosql regproc", no_rows),
    table("pg_ts_config", "oid oid, cfgname name, cfgnamespace oid, cfgowner oid, cfgparser oid", no_rows),
    table("pg_ts_config_map", "mapcfg oid, maptokentype int4, mapseqno int4, mapdict oid", no_rows),
    table("pg_parameter_acl", "oid oid, parname text, paracl aclitem[]", no_rows),
    table(
        "pg_ts_dict",
        "oid oid, dictname name, dictnamespace oid, dictowner oid, dicttemplate oid, dictinitoption text",
        no_rows,
    ),
    table(
        "pg_ts_parser",
        "oid oid, prsname name, prsnamespace oid, prsstart regproc, prstoken regproc, prsend regproc, \
         prsheadline regproc, prslextype regproc",
        no_rows,
    ),
    table("pg_ts_template", "oid oid, tmplname name, tmplnamespace oid, tmplinit regproc, tmpllexize regproc", no_rows),
    table("pg_largeobject_metadata", "oid oid, lomowner oid, lomacl aclitem[]", no_rows),
    table("pg_seclabel", "objoid oid, classoid oid, objsubid int4, provider text, label text", no_rows),
    view("pg_prepared_xacts", "transaction xid, gid text, prepared timestamptz, owner name, database name", no_rows),
];
