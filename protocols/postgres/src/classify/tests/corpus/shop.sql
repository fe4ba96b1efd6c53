-- What the texts of the corpus name, in a database that only they run in. The table `t` has one row, in which what is not a
-- number or a word is null, so that a text fails for what it is and not for what it finds.
RESET ROLE;
CREATE ROLE x; CREATE ROLE other_role;
CREATE EXTENSION adminpack; CREATE EXTENSION dblink; CREATE EXTENSION postgres_fdw; CREATE EXTENSION file_fdw;
CREATE EXTENSION tablefunc; CREATE EXTENSION xml2; CREATE EXTENSION pg_trgm; CREATE EXTENSION pgstattuple;
DROP VIEW public.bad_view, public.plain_view; DROP FUNCTION public.upper(varchar), public.wipe(public.accounts), public.burn();
CREATE SCHEMA secret; CREATE SCHEMA other;
CREATE SEQUENCE public.seq;
CREATE TYPE public.mytype AS ENUM ('x');
CREATE DOMAIN public.mydomain AS text;
CREATE TABLE public.t(id int CONSTRAINT k UNIQUE, a int, b int, c int, d text, e text, f int, g int, h int, w int, x int,
  y int, z int, n int, name text, created timestamptz, total numeric, data jsonb, body text, v int[], doc xml,
  flag bool, ok bool, no bool);
CREATE UNIQUE INDEX i ON public.t(lower(name) COLLATE "C" text_ops);
INSERT INTO public.t(id, a, b, c, d, e, f, g, h, w, x, y, z, n, name, flag) VALUES (7, 1, 1, 1, 'd', 'e', 1, 1, 1, 1, 1, 1, 1, 1, 'n', true);
CREATE TABLE public.orders(id int, customer text, status int, total numeric, created timestamptz);
INSERT INTO public.orders VALUES (1, 'a', 1, 10, now());
CREATE TABLE public.items(id int, order_id int); CREATE TABLE public.customers(id text);
CREATE TABLE public.a(id int, x int, d int); CREATE TABLE public.b(id int); CREATE TABLE public.c(id int PRIMARY KEY);
CREATE TABLE public.d(id int); CREATE TABLE public.s(id int, a int, c int, d int, x int); CREATE TABLE public.u(id int, a int);
CREATE TABLE public.x(id int); CREATE TABLE public.y(id int); CREATE TABLE public.z(id int); CREATE TABLE public."X"(id int);
INSERT INTO public.a VALUES (1, 1, 1); INSERT INTO public.b VALUES (1); INSERT INTO public.s VALUES (7, 2, 2, 2, 2);
INSERT INTO public.u VALUES (7, 1);
CREATE TABLE public.tree(id int); CREATE TABLE public.parent(id int); CREATE TABLE public.secret(id int);
CREATE TABLE public."Weird.Table"("Weird Name" int);
CREATE TABLE secret.t(id int, code text); INSERT INTO secret.t VALUES (1, 'launch');
CREATE VIEW public.v AS SELECT 1 AS a; CREATE MATERIALIZED VIEW public.m AS SELECT 1 AS a;
CREATE UNIQUE INDEX m_a ON public.m(a);
CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION public.f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION public.g() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION public.h() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION public.writes() RETURNS int LANGUAGE sql AS 'DELETE FROM t RETURNING 1';
CREATE FUNCTION public.liar() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM nextval(''seq''); RETURN 1; END';
CREATE FUNCTION public.on_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE PROCEDURE public.p() LANGUAGE sql AS 'DELETE FROM t';
CREATE PROCEDURE public.p(int, text) LANGUAGE sql AS 'DELETE FROM t';
CREATE TRIGGER g BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.on_change();
ALTER TABLE public.t DISABLE TRIGGER g;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE public.passwords(line text) SERVER files OPTIONS (filename '/etc/passwd');
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '/nowhere');
SELECT lo_create(1);
VACUUM ANALYZE;
