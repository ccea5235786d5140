# needs: kvm
# A guest with 2 GiB and one with 5 GiB (memory above 4 GiB).
. $TOP/tests/real/lib/common
vmlinuz=$TOP/$(kernel cloud-amd64)
for mem in 2G 5G; do
	$KTRACE record --vm $vmlinuz --append "earlyprintk=serial,ttyS0" --mem $mem --steps 3e5 --format json -o t.db >t.json
	whole t 300000
	$KTRACE info -i t.db --check >/dev/null
	rm t.db
done
echo "2 GiB and 5 GiB guests are whole"
